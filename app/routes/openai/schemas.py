"""OpenAI's bodies: a request that becomes a wish, a job that becomes their list of pictures.

What OpenAI has no field for (seed, steps, guidance, scheduler, negative prompt, ...) has the native
name at the top level, which is where their client puts `extra_body`.
"""

import base64
import re
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, Strict

from app.errors import FieldError, InvalidRequest
from app.jobs.job import Dialect, Job, StoredImage
from app.jobs.spec import OutputFormat
from app.links import Links
from app.schemas import WHOLE
from app.translation import Wish

NAMES = {
    "num_images": "n",
    "width": "size",
    "height": "size",
    "output_quality": "output_compression",
}
SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
UNHEEDED = {"quality": ("auto", "standard"), "style": (), "moderation": ("auto", "low")}


class ImageRequest(BaseModel):
    """The body of `POST /v1/images/generations`; further fields are native ones."""

    model_config = ConfigDict(extra="allow")

    prompt: Any = None
    model: Any = None
    n: Any = None
    size: str | None = None
    response_format: Literal["url", "b64_json"] = "b64_json"
    output_format: Any = None
    output_compression: Annotated[int, Strict(), Field(ge=0, le=100), WHOLE] | None = None
    background: Literal["auto", "opaque"] | None = None
    quality: str | None = None
    style: str | None = None
    moderation: str | None = None
    user: str | None = Field(
        default=None, validation_alias=AliasChoices("user", "safety_identifier")
    )
    stream: bool | None = None
    partial_images: Annotated[int, Strict(), Field(ge=0, le=3), WHOLE] | None = None
    num_inference_steps: Any = Field(
        default=None, validation_alias=AliasChoices("num_inference_steps", "steps")
    )
    guidance_scale: Any = Field(
        default=None, validation_alias=AliasChoices("guidance_scale", "guidance")
    )

    def to_wish(self) -> Wish:
        width, height = _size(self.size)
        quality = self.output_compression
        said = {
            "prompt": self.prompt,
            "model": self.model,
            "num_images": self.n,
            "width": width,
            "height": height,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "output_format": self.output_format,
            "output_quality": None if quality is None else max(1, quality),
        }
        fields = {**(self.model_extra or {}), **{k: v for k, v in said.items() if v is not None}}
        if self.user:
            fields.setdefault("metadata", {"user": self.user})
        return Wish(Dialect.OPENAI, fields, NAMES, fits=True, warnings=self._unheeded())

    def _unheeded(self) -> list[str]:
        asked = {name: getattr(self, name) for name in UNHEEDED}
        return [
            f"{name}: {value[:64]!r} is not heeded"
            for name, value in asked.items()
            if value and value not in UNHEEDED[name]
        ]


class ImageDatum(BaseModel):
    """One picture: its bytes or its URL, and the seed that draws it again."""

    b64_json: str | None = None
    url: str | None = None
    seed: int


class ImagesResponse(BaseModel):
    """OpenAI's answer; `id` is the job's, for every native call."""

    created: int
    data: list[ImageDatum]
    size: str
    output_format: OutputFormat
    background: Literal["opaque"] = "opaque"
    id: str
    warnings: list[str]

    @classmethod
    def of(cls, job: Job, files: list[bytes] | None, links: Links) -> dict[str, Any]:
        """The body; with the pictures' files, or with URLs if there are none."""
        data = [
            ImageDatum(b64_json=base64.b64encode(files[place]).decode(), seed=image.seed)
            if files
            else ImageDatum(url=links.image(image.key)[0], seed=image.seed)
            for place, image in enumerate(job.images)
        ]
        ended = job.finished_at or job.created_at
        body = cls(
            created=int(ended.timestamp()),
            data=data,
            size=size_of(job),
            output_format=job.spec.output_format,
            id=job.id,
            warnings=job.warnings,
        )
        return body.model_dump(mode="json", exclude_none=True)


def size_of(job: Job) -> str:
    return f"{job.spec.width}x{job.spec.height}"


def completed(job: Job, image: StoredImage, file: bytes, created_at: int) -> dict[str, Any]:
    """The event that ends a picture."""
    return {**_event(job, "completed", file, created_at), "seed": image.seed}


def partial(job: Job, place: int, data_url: str, created_at: int) -> dict[str, Any]:
    """The event that shows a picture on its way, small; `place` counts from 0."""
    kind, _, encoded = data_url.partition(",")
    shown = {
        "b64_json": encoded,
        "partial_image_index": place,
        "output_format": kind.removeprefix("data:image/").partition(";")[0],
    }
    return {**_event(job, "partial_image", b"", created_at), **shown}


def _event(job: Job, kind: str, file: bytes, created_at: int) -> dict[str, Any]:
    return {
        "type": f"image_generation.{kind}",
        "b64_json": base64.b64encode(file).decode(),
        "created_at": created_at,
        "size": size_of(job),
        "quality": "auto",
        "background": "opaque",
        "output_format": job.spec.output_format.value,
    }


def _size(size: str | None) -> tuple[int | None, int | None]:
    """Width and height of `WxH`; None for the model's own size."""
    if size in (None, "auto"):
        return None, None
    found = SIZE.fullmatch(size or "")
    if not found:
        message = "must be WIDTHxHEIGHT in pixels, or auto"
        raise InvalidRequest(FieldError(field="size", message=message))
    return int(found[1]), int(found[2])
