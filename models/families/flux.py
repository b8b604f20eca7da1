"""FLUX.1 dev and schnell: a flow-matching transformer over packed latents, CLIP's pool and T5.

dev was distilled from guided pictures: the guidance is one more input and costs no second row.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor
from torch.nn import functional as F

from models.checkpoint import Components
from models.families.description import Description
from models.families.family import Conditions, Family
from models.families.flow import calculate_shift
from models.prompts.encoding import ClipEncoder, T5Encoder
from models.schedulers import Scheduler

T5_LENGTH = 512  # the states of a longer prompt come in whole multiples
NATIVE_LATENTS = 128  # along one side; no config says so
PATCH = 2


class Flux(Family):
    name = "flux"
    pipeline_class = "FluxPipeline"
    denoiser_name = "transformer"
    component_names = (
        "transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2",
    )  # fmt: skip

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        modules = components.modules
        self.clip = ClipEncoder(modules["tokenizer"], modules["text_encoder"], last_layer=True)
        self.t5 = T5Encoder(modules["tokenizer_2"], modules["text_encoder_2"])
        self.is_guided: bool = self.network.config["guidance_embeds"]

    @classmethod
    def describe(cls, found: Description) -> Mapping[str, Any]:
        is_guided = found.denoiser["guidance_embeds"]
        return {
            "native_size": NATIVE_LATENTS * found.factor,
            "size_multiple": PATCH * found.factor,
            "default_num_inference_steps": 28 if is_guided else 4,
            "default_guidance_scale": 3.5 if is_guided else 0.0,
        }

    def schedule_options(
        self, scheduler: Scheduler, num_inference_steps: int, height: int, width: int
    ) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if scheduler.config.get("use_dynamic_shifting"):
            patch = self.vae_scale_factor * PATCH
            length = (height // patch) * (width // patch)
            options["mu"] = calculate_shift(scheduler.config, length, default_max_shift=1.15)
        if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
            options["sigmas"] = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
        return options

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        length = -(-self.t5.num_tokens(prompt) // T5_LENGTH) * T5_LENGTH
        text = self._encode(prompt, length)
        if not self.is_guided:
            return (text,)
        guidance = torch.full([1], guidance_scale, dtype=torch.float32, device=self.device)
        return (Conditions(text.prompt_embeds, {**text.added, "guidance": guidance}),)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        height, width = latents.shape[2] // PATCH, latents.shape[3] // PATCH
        packed = self.denoiser(
            hidden_states=pack(latents),
            timestep=timesteps.to(latents.dtype) / 1000,
            guidance=added.get("guidance"),
            pooled_projections=added["pooled_projections"],
            encoder_hidden_states=prompt_embeds,
            txt_ids=torch.zeros(prompt_embeds.shape[1], 3).to(latents),
            img_ids=image_ids(height, width).to(latents),
            return_dict=False,
        )[0]
        return unpack(packed, height, width)

    def _encode(self, prompt: str, t5_length: int) -> Conditions:
        def encode() -> Conditions:
            pooled = self.clip(prompt, 1).pooled
            assert pooled is not None  # noqa: S101 - CLIP always pools
            return Conditions(
                self.t5(prompt, t5_length).states.to(self.device, self.dtype),
                {"pooled_projections": pooled.to(self.device, self.dtype)},
            )

        return self.cached((prompt, t5_length), encode)


def pack(latents: Tensor) -> Tensor:
    """`[n, C, h, w]` to tokens `[n, h / 2 * w / 2, C * 4]`, a square of four latents each."""
    return F.pixel_unshuffle(latents, PATCH).flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The way back; height and width in tokens."""
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (height, width)), PATCH)


def image_ids(height: int, width: int) -> Tensor:
    """Where each token stands: `[height * width, 3]`, the first coordinate unused."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1).float()
