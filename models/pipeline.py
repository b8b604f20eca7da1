"""The latent-diffusion pipeline: a prompt and a seed to a picture, one stage a method.

`__call__` is the plain loop for one picture and the oracle of the engine's tests. Knows tensors
and one checkpoint. Knows nothing of jobs, batches of strangers or image files.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray
from torch import Tensor

from models import autoencoder, checkpoint, schedulers
from models.schedulers import Scheduler
from models.text_encoder import TextEncoder

Pixels = NDArray[np.uint8]


class UnsupportedRequest(ValueError):
    """A wish that this model cannot serve; the message is fit for a client."""


class PromptEncoder(Protocol):
    """Prompts to embeddings `[n, length, width]`, zero at padding."""

    def __call__(self, prompts: Sequence[str]) -> Tensor: ...

    def truncates(self, prompt: str) -> bool:
        """Whether the end of this prompt is cut off."""
        ...


class Row(NamedTuple):
    """One row of a forward pass: latents `[1, C, h, w]`, its timestep, embeds `[1, L, W]`."""

    latents: Tensor
    timestep: Tensor
    prompt_embeds: Tensor


class LatentDiffusionPipeline:
    """A checkpoint's components and the five stages that turn a prompt into pixels."""

    def __init__(self, components: checkpoint.Components, text_encoder: PromptEncoder) -> None:
        self.card = components.card
        self.unet = components.unet
        self.vae = components.vae
        self.scheduler_config = components.scheduler_config
        self.text_encoder = text_encoder
        self.vae_scale_factor = 2 ** (len(self.vae.config["block_out_channels"]) - 1)
        self._embed = lru_cache(maxsize=256)(self._embed_one)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Load a checkpoint folder beside the pretrained text encoder.

        Raises:
            CheckpointError: names the file that is missing, corrupt or refused.
        """
        components = checkpoint.load(path, device, dtype)
        return cls(components, TextEncoder.pretrained(device, dtype))

    @torch.inference_mode()
    def encode_prompt(self, prompt: str) -> Tensor:
        """Embeddings `[1, length, width]` of one prompt (a negative prompt likewise)."""
        return self._embed(prompt)

    def truncates(self, prompt: str) -> bool:
        """Whether this model reads only the beginning of the prompt."""
        return self.text_encoder.truncates(prompt)

    def make_scheduler(self, name: str, num_inference_steps: int) -> Scheduler:
        """A fresh scheduler with its run laid out.

        Raises:
            UnsupportedRequest: not a scheduler of this model, or not that many steps.
        """
        if name not in self.card.schedulers:
            known = ", ".join(self.card.schedulers)
            raise UnsupportedRequest(f"this model has no scheduler {name!r}; it has {known}")
        scheduler = schedulers.make(name, self.scheduler_config)
        try:
            schedulers.set_timesteps(scheduler, num_inference_steps)
        except ValueError as error:
            raise UnsupportedRequest(
                f"{name} cannot do {num_inference_steps} steps: {error}"
            ) from error
        return scheduler

    @torch.inference_mode()
    def prepare_latents(
        self, scheduler: Scheduler, generator: torch.Generator, height: int, width: int
    ) -> Tensor:
        """The starting noise `[1, C, h, w]`, drawn from a CPU generator so a seed means one
        picture on every device.

        Raises:
            UnsupportedRequest: a height or width (pixels) that this model cannot do.
        """
        self._check_size(height, width)
        scale = self.vae_scale_factor
        shape = (1, self.unet.config["in_channels"], height // scale, width // scale)
        noise = randn_tensor(
            shape, generator=generator, device=self.unet.device, dtype=self.unet.dtype
        )
        return noise * scheduler.init_noise_sigma

    @torch.inference_mode()
    def predict_noise(self, rows: Sequence[Row]) -> Tensor:
        """One forward pass: rows of equal latent shape to predictions `[rows, C, h, w]`."""
        timesteps = torch.tensor([float(row.timestep) for row in rows], device=self.unet.device)
        return self.unet(
            torch.cat([row.latents for row in rows]),
            timesteps,
            encoder_hidden_states=torch.cat([row.prompt_embeds for row in rows]),
            return_dict=False,
        )[0]

    @torch.inference_mode()
    def step(
        self,
        scheduler: Scheduler,
        noise_pred: Tensor,
        timestep: Tensor,
        latents: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """One evaluation further: latents `[1, C, h, w]` to latents of the same shape."""
        return schedulers.step(scheduler, noise_pred, timestep, latents, generator)

    @torch.inference_mode()
    def decode_latents(self, latents: Tensor) -> Pixels:
        """Latents `[1, C, h, w]` to pixels `[height, width, 3]`."""
        picture = autoencoder.decode(self.vae, latents)[0].float()
        levels = (picture / 2 + 0.5).clamp(0, 1).mul(255).round()
        return levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    def __call__(self, prompt: str, **options: Any) -> Pixels:
        """The picture of one prompt; the options are those of `denoise`."""
        return self.decode_latents(self.denoise(prompt, **options))

    @torch.inference_mode()
    def denoise(
        self,
        prompt: str,
        *,
        negative_prompt: str = "",
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        seed: int = 0,
    ) -> Tensor:
        """The plain loop for one picture, by the card's defaults: its latents `[1, C, h, w]`."""
        card = self.card
        guidance = card.default_guidance_scale if guidance_scale is None else guidance_scale
        steps = num_inference_steps or card.default_num_inference_steps
        prompts = [negative_prompt, prompt] if guidance > 1 else [prompt]
        embeds = [self.encode_prompt(text) for text in prompts]
        schedule = self.make_scheduler(scheduler or card.default_scheduler, steps)
        generator = torch.Generator("cpu").manual_seed(seed)
        size = (height or card.native_size, width or card.native_size)
        latents = self.prepare_latents(schedule, generator, *size)
        for t in schedule.timesteps:
            scaled = schedule.scale_model_input(latents, t)
            noise_pred = self.predict_noise([Row(scaled, t, text) for text in embeds])
            if guidance > 1:
                negative, positive = noise_pred.chunk(2)
                noise_pred = negative + guidance * (positive - negative)
            latents = self.step(schedule, noise_pred, t, latents, generator)
        return latents

    def _embed_one(self, prompt: str) -> Tensor:
        return self.text_encoder([prompt]).to(self.unet.device, self.unet.dtype)

    def _check_size(self, height: int, width: int) -> None:
        card = self.card
        for name, pixels in (("height", height), ("width", width)):
            if pixels % card.size_multiple:
                raise UnsupportedRequest(
                    f"{name} {pixels} is not a multiple of {card.size_multiple}"
                )
            if not card.min_size <= pixels <= card.max_size:
                raise UnsupportedRequest(
                    f"{name} {pixels} is not within {card.min_size} to {card.max_size}"
                )
