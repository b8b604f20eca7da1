"""Stable Diffusion 1.x and 2.x: a U-Net over one CLIP (Rombach et al. 2022, arXiv 2112.10752)."""

from collections.abc import Mapping
from typing import Any

from models.checkpoint import Components
from models.families.description import Description, is_distilled
from models.families.family import Conditions, Family, texts_of_rows
from models.prompts.encoding import ClipEncoder


class StableDiffusion(Family):
    """Epsilon or v prediction, as the checkpoint's scheduler says."""

    name = "stable-diffusion"
    pipeline_class = "StableDiffusionPipeline"
    component_names = ("unet", "vae", "text_encoder", "tokenizer")

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        tokenizer, model = components.modules["tokenizer"], components.modules["text_encoder"]
        self.text_encoder = ClipEncoder(tokenizer, model, last_layer=True)

    @classmethod
    def describe(cls, found: Description) -> Mapping[str, Any]:
        few = is_distilled(found.scheduler)
        return {
            "native_size": found.sample_size * found.factor,
            "size_multiple": found.factor,
            "default_num_inference_steps": 4 if few else 30,
            "default_guidance_scale": 1.0 if few else 7.5,
        }

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        prompts = texts_of_rows(prompt, negative_prompt, guidance_scale)
        num_chunks = max(self.text_encoder.num_chunks(text) for text in prompts)
        return tuple(self._encode(text, num_chunks) for text in prompts)

    def _encode(self, prompt: str, num_chunks: int) -> Conditions:
        def encode() -> Conditions:
            states = self.text_encoder(prompt, num_chunks).states
            return Conditions(states.to(self.device, self.dtype))

        return self.cached((prompt, num_chunks), encode)
