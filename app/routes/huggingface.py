"""The Hub's inference dialect: a prompt in, the bytes of a picture out, nothing around them."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from app import translation
from app.dependencies import Owner, RequestLinks, Service
from app.errors import InvalidRequest, NotFound
from app.headers import Key
from app.jobs.admission import IdempotencyKey
from app.jobs.job import Dialect, Job
from app.jobs.spec import OutputFormat
from app.translation import Wish

router = APIRouter(prefix="/hf/models", tags=["huggingface"])

FIELDS = (
    "negative_prompt", "width", "height", "num_inference_steps", "guidance_scale", "scheduler",
    "seed", "output_quality", "priority", "deadline_s", "webhook", "metadata",
)  # fmt: skip
NAMES = {"prompt": "inputs", **{name: f"parameters.{name}" for name in FIELDS}}


class TextToImage(BaseModel):
    """What `InferenceClient.text_to_image` sends; `options` are of the Hub's own service."""

    model_config = ConfigDict(extra="forbid")

    inputs: Any
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    options: dict[str, Any] | None = None

    def to_wish(self, model_id: str, accept: str) -> Wish:
        fields = {
            **self.parameters,
            "prompt": self.inputs,
            "model": model_id,
            "output_format": _format(accept),
            "num_images": 1,  # the answer is one file
        }
        return Wish(Dialect.HUGGINGFACE, fields, NAMES)


@router.post("/{model_id:path}", response_class=Response, responses=translation.WITHOUT_PICTURE)
async def text_to_image(
    model_id: str,
    body: TextToImage,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    accept: Annotated[str, Header()] = "",
    idempotency_key: Key = None,
) -> Response:
    """Draw one picture; `Accept` may ask for JPEG or WebP instead of PNG."""
    idempotency = IdempotencyKey.of(idempotency_key, body)
    wish = body.to_wish(model_id, accept)

    def take_in() -> Job:
        try:
            return translation.take_in(services, owner, links.base, wish, idempotency)
        except InvalidRequest as error:
            if any(one.field == "model" for one in error.errors):
                raise NotFound(f"There is no model {model_id[:64]!r}; {error.detail}") from error
            raise

    job = await run_in_threadpool(take_in)
    job = await translation.drawn(services, request, job, is_kept=idempotency is not None)
    (file,) = await run_in_threadpool(partial(translation.pictures, services, job))
    headers = {"X-Job-Id": job.id, "X-Seed": str(job.spec.seed)}
    return Response(file, media_type=job.spec.output_format.content_type, headers=headers)


def _format(accept: str) -> OutputFormat:
    """The first of our formats that the header names; PNG for anything else."""
    for part in accept.split(","):
        for known in OutputFormat:
            if part.partition(";")[0].strip().lower() == known.content_type:
                return known
    return OutputFormat.PNG
