"""The native contract's bodies: what `POST /v1/jobs` takes and what a job looks like outside.

Pure translations: a submission and a model make a spec, a job and its links make an answer.
"""

import re
import secrets
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)

from app.errors import FieldError, InvalidRequest
from app.jobs.catalogue import ModelInfo
from app.jobs.job import Job, JobError, JobStatus
from app.jobs.spec import MAX_IMAGES, MAX_SEED, MAX_SIZE, GenerationSpec, OutputFormat, Priority
from app.jobs.store import seconds_between
from app.jobs.webhook import ENDINGS, Webhook, WebhookEvent, receiver_of
from app.links import Links
from app.loras import LoraWish, LoraWishes, lora_errors

Value = TypeVar("Value")


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the NUL character")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _is_receiver(text: str) -> str:
    if re.search(r"[\x00-\x20\x7f\\\\]", text):
        raise ValueError("must not contain spaces, control characters or backslashes")
    receiver_of(text)
    return text


def _not_twice(events: list[WebhookEvent]) -> list[WebhookEvent]:
    if len(set(events)) < len(events):
        raise ValueError("must not name an event twice")
    return events


def _whole(value: Any) -> Any:
    """JSON knows no integers: 5.0 is the number 5 (JSON Schema 2020-12, 4.2.2)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_no_nul)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Metadatum = Annotated[str, StringConstraints(max_length=512), AfterValidator(_no_nul)]
MetadataKey = Annotated[Metadatum, Field(min_length=1)]
# Neither true nor "5". Bounds stand before it: after it they are not told in the JSON schema.
WHOLE = BeforeValidator(_whole)
Side = Annotated[int, Strict(), Field(ge=64, le=MAX_SIZE), WHOLE]
Steps = Annotated[int, Strict(), Field(ge=1, le=150), WHOLE]
Count = Annotated[int, Strict(), Field(ge=1, le=MAX_IMAGES), WHOLE]
Seed = Annotated[int, Strict(), Field(ge=0, le=MAX_SEED), WHOLE]
Percent = Annotated[int, Strict(), Field(ge=1, le=100), WHOLE]
Number = Annotated[float, Strict()]


class WebhookWish(BaseModel):
    """Where to tell of the job, and of what; by default, of its end."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(max_length=2_048), AfterValidator(_is_receiver)]
    events: Annotated[list[WebhookEvent], AfterValidator(_not_twice)] = Field(
        default=list(ENDINGS),
        min_length=1,
        max_length=len(WebhookEvent),
        json_schema_extra={"uniqueItems": True},
    )

    def to_webhook(self, base_url: str, keep_s: int) -> Webhook:
        return Webhook(
            url=self.url,
            events=self.events,
            base_url=base_url,
            receiver=receiver_of(self.url),
            keep_s=keep_s,
        )


class Submission(BaseModel):
    """The body of `POST /v1/jobs`. What is left out, the model decides."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    prompt: Annotated[Text, Field(min_length=1), AfterValidator(_not_blank)]
    negative_prompt: Text = ""
    model: Name | None = None
    width: Side | None = None
    height: Side | None = None
    num_images: Count = 1
    num_inference_steps: Steps | None = None
    guidance_scale: Number | None = Field(default=None, ge=0, le=30)
    scheduler: Name | None = None
    loras: LoraWishes = Field(default_factory=list[LoraWish])
    seed: Seed | None = None
    output_format: OutputFormat = OutputFormat.PNG
    output_quality: Percent = 90
    priority: Priority = Priority.NORMAL
    deadline_s: Number | None = Field(default=None, ge=1, le=86_400)
    webhook: WebhookWish | None = None
    metadata: dict[MetadataKey, Metadatum] = Field(default_factory=dict, max_length=16)

    def to_spec(self, model: ModelInfo) -> GenerationSpec:
        """Fill the gaps from the model; refuse, field by field, what it cannot draw."""
        width = self.width or model.native_size
        height = self.height or model.native_size
        scheduler = self.scheduler or model.default_scheduler
        errors = [*_size_errors("width", width, model), *_size_errors("height", height, model)]
        if scheduler not in model.schedulers:
            known = ", ".join(model.schedulers)
            errors.append(FieldError(field="scheduler", message=f"must be one of: {known}"))
        errors += lora_errors(self.loras, model)
        if self.seed is not None and self.seed > (last := MAX_SEED + 1 - self.num_images):
            errors.append(FieldError(field="seed", message=f"must be at most {last}: one an image"))
        if errors:
            raise InvalidRequest(*errors)
        return GenerationSpec(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            model=model.id,
            width=width,
            height=height,
            num_images=self.num_images,
            num_inference_steps=_or(self.num_inference_steps, model.default_num_inference_steps),
            guidance_scale=_or(self.guidance_scale, model.default_guidance_scale),
            scheduler=scheduler,
            loras=tuple(one.to_lora() for one in self.loras),
            seed=_or(self.seed, secrets.randbelow(MAX_SEED + 1 - MAX_IMAGES)),
            output_format=self.output_format,
            output_quality=self.output_quality,
            priority=self.priority,
            deadline_s=self.deadline_s,
        )


def _or(value: Value | None, otherwise: Value) -> Value:
    return otherwise if value is None else value


def _size_errors(field: str, size: int, model: ModelInfo) -> list[FieldError]:
    if not model.min_size <= size <= model.max_size:
        message = f"model {model.id!r} draws {model.min_size} to {model.max_size} pixels"
        return [FieldError(field=field, message=message)]
    if size % model.size_multiple:
        message = f"must be a multiple of {model.size_multiple} for model {model.id!r}"
        return [FieldError(field=field, message=message)]
    return []


class ProgressView(BaseModel):
    step: int
    total_steps: int
    fraction: float


class QueueView(BaseModel):
    """Jobs that come before this one, and seconds until its end as far as can be told."""

    position: int
    eta_s: float | None


class ImageView(BaseModel):
    index: int
    url: str
    expires_at: datetime
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str


class MetricsView(BaseModel):
    """Seconds waited, seconds drawn, seconds in all; null while unknown."""

    queue_s: float | None
    generation_s: float | None
    engine_s: float | None
    total_s: float | None


class UrlsView(BaseModel):
    self: str
    cancel: str
    events: str


class JobView(BaseModel):
    """A job as clients see it."""

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    request: dict[str, Any]
    progress: ProgressView
    queue: QueueView | None
    images: list[ImageView]
    error: JobError | None
    attempts: int
    metrics: MetricsView
    engine: str | None
    metadata: dict[str, str]
    warnings: list[str]
    urls: UrlsView

    @classmethod
    def of(cls, job: Job, links: Links, queue: QueueView | None = None) -> Self:
        return cls(
            id=job.id,
            status=job.status,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            request=_request(job),
            progress=ProgressView(
                step=job.step,
                total_steps=job.total_steps,
                fraction=round(job.step / job.total_steps, 4),
            ),
            queue=queue,
            images=_images(job, links),
            error=job.error,
            attempts=job.attempts,
            metrics=_metrics(job),
            engine=job.engine,
            metadata=job.metadata,
            warnings=job.warnings,
            urls=UrlsView(
                self=links.job(job.id),
                cancel=links.job(job.id, "/cancel"),
                events=links.job(job.id, "/events"),
            ),
        )


def _request(job: Job) -> dict[str, Any]:
    webhook = job.webhook and job.webhook.model_dump(mode="json", include={"url", "events"})
    return {**job.spec.model_dump(mode="json"), "webhook": webhook, "metadata": job.metadata}


def _images(job: Job, links: Links) -> list[ImageView]:
    views: list[ImageView] = []
    for image in job.images:
        url, expires_at = links.image(image.key)
        known = image.model_dump(exclude={"key"})
        views.append(ImageView(**known, url=url, expires_at=expires_at))
    return views


def _metrics(job: Job) -> MetricsView:
    return MetricsView(
        queue_s=seconds_between(job.created_at, job.started_at),
        generation_s=seconds_between(job.started_at, job.finished_at),
        engine_s=job.engine_s,
        total_s=seconds_between(job.created_at, job.finished_at),
    )


class JobPage(BaseModel):
    """Jobs, newest first; `next_cursor` asks for the ones after."""

    data: list[JobView]
    next_cursor: str | None
