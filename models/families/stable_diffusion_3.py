"""Stable Diffusion 3 and 3.5: a flow-matching transformer over two CLIPs and a T5.

Esser et al. 2024, arXiv 2403.03206. The T5 may be left out, as its index says; then its states
are zero.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.checkpoint import Components
from models.families.description import Description
from models.families.family import Conditions, Family, texts_of_rows
from models.families.flow import calculate_shift
from models.prompts.encoding import ClipEncoder, T5Encoder
from models.schedulers import Scheduler

T5_LENGTH = 256  # the states of a longer prompt come in whole multiples


class StableDiffusion3(Family):
    name = "stable-diffusion-3"
    pipeline_class = "StableDiffusion3Pipeline"
    denoiser_name = "transformer"
    component_names = (
        "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3",
        "tokenizer", "tokenizer_2", "tokenizer_3",
    )  # fmt: skip

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        modules = components.modules
        self.clips = [
            ClipEncoder(modules[f"tokenizer{n}"], modules[f"text_encoder{n}"], last_layer=False)
            for n in ("", "_2")
        ]
        has_t5 = "text_encoder_3" in modules
        self.t5 = T5Encoder(modules["tokenizer_3"], modules["text_encoder_3"]) if has_t5 else None
        self._t5_width: int = self.network.config["joint_attention_dim"]
        self._patch_size: int = self.network.config["patch_size"]

    @classmethod
    def describe(cls, found: Description) -> Mapping[str, Any]:
        patch = found.factor * int(found.denoiser["patch_size"])
        return {
            "native_size": found.sample_size * found.factor,
            "size_multiple": patch,
            "max_size": patch * int(found.denoiser["pos_embed_max_size"]),
            "default_num_inference_steps": 28,
            "default_guidance_scale": 7.0,
        }

    def schedule_options(
        self, scheduler: Scheduler, num_inference_steps: int, height: int, width: int
    ) -> dict[str, Any]:
        if not scheduler.config.get("use_dynamic_shifting"):
            return {}
        patch = self.vae_scale_factor * self._patch_size
        length = (height // patch) * (width // patch)
        return {"mu": calculate_shift(scheduler.config, length, default_max_shift=1.16)}

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        prompts = texts_of_rows(prompt, negative_prompt, guidance_scale)
        num_chunks = max(clip.num_chunks(text) for clip in self.clips for text in prompts)
        num_tokens = max(self.t5.num_tokens(text) for text in prompts) if self.t5 else 1
        length = -(-num_tokens // T5_LENGTH) * T5_LENGTH
        return tuple(self._encode(text, num_chunks, length) for text in prompts)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        return self.denoiser(
            hidden_states=latents,
            timestep=timesteps,
            encoder_hidden_states=prompt_embeds,
            pooled_projections=added["pooled_projections"],
            return_dict=False,
        )[0]

    def _encode(self, prompt: str, num_chunks: int, t5_length: int) -> Conditions:
        def encode() -> Conditions:
            both = [clip(prompt, num_chunks) for clip in self.clips]
            clip = torch.cat([one.states for one in both], dim=-1)
            t5 = self._t5_states(prompt, t5_length).to(clip)
            clip = F.pad(clip, (0, t5.shape[-1] - clip.shape[-1]))
            pooled = torch.cat([one.pooled for one in both if one.pooled is not None], dim=-1)
            return Conditions(
                torch.cat([clip, t5], dim=-2).to(self.device, self.dtype),
                {"pooled_projections": pooled.to(self.device, self.dtype)},
            )

        return self.cached((prompt, num_chunks, t5_length), encode)

    def _t5_states(self, prompt: str, length: int) -> Tensor:
        if self.t5 is None:
            return torch.zeros(1, length, self._t5_width)
        return self.t5(prompt, length).states
