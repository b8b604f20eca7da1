"""The wish: what one job asks for, resolved and bounded. Pure pydantic, no I/O, no HTTP.

Every process may import this file; the engine reads pictures' fields from it, the store writes it.
"""

from enum import StrEnum

from pydantic import BaseModel, Field

MAX_SEED = 2**53 - 1  # the largest integer that JSON clients in JavaScript keep exactly
MAX_IMAGES = 8
MAX_LORAS = 8
MAX_SIZE = 2048


class OutputFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"


class Priority(StrEnum):
    """Which of an owner's jobs go first; what it does to others' is nothing."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Lora(BaseModel, frozen=True, extra="forbid"):
    """An adapter that the model offers, and how much of it."""

    name: str = Field(min_length=1, max_length=200)
    weight: float = Field(default=1.0, ge=-10, le=10, allow_inf_nan=False)


class GenerationSpec(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """One job's wish with nothing left open: seed drawn, size and scheduler decided.

    Attributes:
        width: Pixels; a multiple of the model's factor (checked where the model is known).
        height: Pixels.
        guidance_scale: Above 1 every step also predicts without the prompt
            (Ho & Salimans 2022, classifier-free guidance).
        seed: Image k of the job is drawn from seed + k.
        deadline_s: Seconds after submission by which the job must have ended.
    """

    prompt: str = Field(min_length=1, max_length=2_000)
    negative_prompt: str = Field(default="", max_length=2_000)
    model: str
    width: int = Field(ge=64, le=MAX_SIZE)
    height: int = Field(ge=64, le=MAX_SIZE)
    num_images: int = Field(default=1, ge=1, le=MAX_IMAGES)
    num_inference_steps: int = Field(ge=1, le=150)
    guidance_scale: float = Field(ge=0, le=30, allow_inf_nan=False)
    scheduler: str
    loras: tuple[Lora, ...] = Field(default=(), max_length=MAX_LORAS)
    seed: int = Field(ge=0, le=MAX_SEED)
    output_format: OutputFormat = OutputFormat.PNG
    output_quality: int = Field(default=90, ge=1, le=100)
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = Field(default=None, ge=1, le=86_400, allow_inf_nan=False)

    @property
    def megapixel_steps(self) -> float:
        """What the job costs: a million pixels denoised once, over all images and steps."""
        return self.width * self.height * self.num_images * self.num_inference_steps / 1e6
