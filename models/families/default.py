"""Our own models: a U-Net over the states of a frozen MiniLM, which a package ships."""

from collections.abc import Sequence
from typing import Protocol, Self

from torch import Tensor

from models.checkpoint import Components
from models.families.family import Conditions, Family, texts_of_rows
from models.prompts.encoding import weigh
from models.prompts.weighting import Fragment, fragments
from models.text_encoder import TextEncoder


class PromptEncoder(Protocol):
    """Prompts to embeddings `[n, length, width]`, zero at padding."""

    def __call__(self, prompts: Sequence[str]) -> Tensor: ...

    def truncates(self, prompt: str) -> bool:
        """Whether the end of this prompt is cut off."""
        ...

    def token_weights(self, parts: Sequence[Fragment]) -> list[float]:
        """The weight of every token that is read of a prompt in these parts."""
        ...


class DefaultFamily(Family):
    """What `models.training` makes; its folders always have a card."""

    name = "default"
    pipeline_class = "LatentDiffusionPipeline"
    component_names = ("unet", "vae")

    def __init__(self, components: Components, text_encoder: PromptEncoder) -> None:
        super().__init__(components)
        self.text_encoder = text_encoder

    @classmethod
    def of(cls, components: Components) -> Self:
        unet = components.modules["unet"]
        return cls(components, TextEncoder.pretrained(unet.device, unet.dtype))

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        prompts = texts_of_rows(prompt, negative_prompt, guidance_scale)
        return tuple(self._encode(text) for text in prompts)

    def truncates(self, prompt: str) -> bool:
        return self.text_encoder.truncates(_text(fragments(prompt)))

    def _encode(self, prompt: str) -> Conditions:
        def encode() -> Conditions:
            return Conditions(self._states(prompt).to(self.device, self.dtype))

        return self.cached(prompt, encode)

    def _states(self, prompt: str) -> Tensor:
        """No more tokens than it was trained with: longer prompts would be strange to the U-Net."""
        parts = fragments(prompt)
        states = self.text_encoder([_text(parts)])
        if all(part.weight == 1 for part in parts):
            return states
        return weigh(states, self.text_encoder.token_weights(parts), self.text_encoder([""]))


def _text(parts: Sequence[Fragment]) -> str:
    return "".join(part.text for part in parts)
