"""The LoRAs of a wish: what may be asked for, and what the model does not have."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from app.errors import FieldError
from app.jobs.catalogue import ModelInfo
from app.jobs.spec import MAX_LORAS, Lora


class LoraWish(BaseModel):
    """An adapter that the model offers, and how much of it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=200)
    weight: Annotated[float, Strict()] = Field(default=1.0, ge=-10, le=10)

    def to_lora(self) -> Lora:
        return Lora(name=self.name, weight=self.weight)


def _not_named_twice(loras: list[LoraWish]) -> list[LoraWish]:
    if len({one.name for one in loras}) < len(loras):
        raise ValueError("must not name a LoRA twice")
    return loras


LoraWishes = Annotated[
    list[LoraWish], Field(max_length=MAX_LORAS), AfterValidator(_not_named_twice)
]


def lora_errors(loras: list[LoraWish], model: ModelInfo) -> list[FieldError]:
    """One for every LoRA that the model does not offer."""
    known = ", ".join(model.loras) or "none"
    return [
        FieldError(field=f"loras.{i}.name", message=f"unknown; model {model.id!r} has: {known}")
        for i, one in enumerate(loras)
        if one.name not in model.loras
    ]
