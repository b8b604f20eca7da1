"""SDXL, Turbo and Lightning: two CLIPs, a pooled text and the picture's size (arXiv 2307.01952)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import Components
from models.families.description import Description, is_distilled
from models.families.family import Conditions, Family, texts_of_rows
from models.prompts.encoding import ClipEncoder


class StableDiffusionXL(Family):
    """The base model; distilled ones differ by their scheduler's config and by fewer steps."""

    name = "stable-diffusion-xl"
    pipeline_class = "StableDiffusionXLPipeline"
    component_names = (
        "unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2",
    )  # fmt: skip

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        self.text_encoders = [
            ClipEncoder(
                components.modules[f"tokenizer{which}"],
                components.modules[f"text_encoder{which}"],
                last_layer=False,
            )
            for which in ("", "_2")
        ]
        self.zero_empty_negative = components.options.get("force_zeros_for_empty_prompt", True)

    @classmethod
    def describe(cls, found: Description) -> Mapping[str, Any]:
        few = is_distilled(found.scheduler)
        return {
            "native_size": found.sample_size * found.factor,
            "size_multiple": found.factor,
            "default_num_inference_steps": 4 if few else 30,
            "default_guidance_scale": 1.0 if few else 5.0,
        }

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        prompts = texts_of_rows(prompt, negative_prompt, guidance_scale)
        num_chunks = max(one.num_chunks(text) for one in self.text_encoders for text in prompts)
        texts = [self._encode(text, num_chunks) for text in prompts]
        if len(texts) == 2 and not negative_prompt and self.zero_empty_negative:
            texts[0] = _zeros_like(texts[1])
        # original size, crop and target size: a whole picture of the size that is asked for
        ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=self.dtype)
        ids = ids.to(self.device)
        return tuple(
            Conditions(text.prompt_embeds, {**text.added, "time_ids": ids}) for text in texts
        )

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        return self.denoiser(
            latents,
            timesteps,
            encoder_hidden_states=prompt_embeds,
            added_cond_kwargs=dict(added),
            return_dict=False,
        )[0]

    def _encode(self, prompt: str, num_chunks: int) -> Conditions:
        def encode() -> Conditions:
            both = [encoder(prompt, num_chunks) for encoder in self.text_encoders]
            states = torch.cat([one.states for one in both], dim=-1)
            pooled = both[1].pooled
            assert pooled is not None  # noqa: S101 - CLIP always pools
            return Conditions(
                states.to(self.device, self.dtype),
                {"text_embeds": pooled.to(self.device, self.dtype)},
            )

        return self.cached((prompt, num_chunks), encode)


def _zeros_like(text: Conditions) -> Conditions:
    added = {name: torch.zeros_like(one) for name, one in text.added.items()}
    return Conditions(torch.zeros_like(text.prompt_embeds), added)
