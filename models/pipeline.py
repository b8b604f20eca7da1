"""The latent-diffusion pipeline: a prompt and a seed to a picture, one stage a method.

`__call__` is the plain loop for one picture and the oracle of the engine's tests. Knows tensors
and one checkpoint. Knows nothing of jobs, batches of strangers or image files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray
from torch import Tensor

from models import families, previews, schedulers
from models.card import CheckpointError
from models.families import Conditions, Family, Row
from models.lora.rows import Wish
from models.schedulers import Scheduler

Pixels = NDArray[np.uint8]


class UnsupportedRequest(ValueError):
    """A wish that this model cannot serve; the message is fit for a client."""


class Joined(NamedTuple):
    """The conditions of all rows of a forward pass: one by one, and as tensors of n rows."""

    rows: tuple[Conditions, ...]
    prompt_embeds: Tensor
    added: Mapping[str, Tensor]


class LatentDiffusionPipeline:
    """One checkpoint and the stages that turn a prompt into pixels."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.card = family.card

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Load a checkpoint.

        Raises:
            CheckpointError: names the file that is missing, corrupt or refused.
        """
        return cls(families.load(path, device, dtype))

    @torch.inference_mode()
    def conditions(
        self,
        prompt: str,
        negative_prompt: str,
        guidance_scale: float,
        height: int,
        width: int,
        loras: Wish = (),
    ) -> tuple[Conditions, ...]:
        """The rows of one picture in every forward pass: two if guided, the negative one first.

        Raises:
            UnsupportedRequest: no such LoRA, or one of another model.
        """
        family = self.family
        try:
            mix = family.loras.mix(loras)
        except KeyError as error:
            raise UnsupportedRequest(f"this model has no LoRA {error}") from error
        except CheckpointError as error:
            raise UnsupportedRequest(f"LoRA {error.path.stem}: {error.reason}") from error
        with family.loras.applied([mix]):
            rows = family.conditions(prompt, negative_prompt, guidance_scale, height, width)
        return tuple(replace(row, mix=mix) for row in rows) if mix.wish else rows

    def truncates(self, prompt: str) -> bool:
        """Whether this model reads only the beginning of the prompt."""
        return self.family.truncates(prompt)

    def make_scheduler(
        self, name: str, num_inference_steps: int, height: int, width: int
    ) -> Scheduler:
        """A fresh scheduler with its run laid out; flow matching shifts it by the size (pixels).

        Raises:
            UnsupportedRequest: not a scheduler of this model, or not that many steps.
        """
        if name not in self.card.schedulers:
            known = ", ".join(self.card.schedulers)
            raise UnsupportedRequest(f"this model has no scheduler {name!r}; it has {known}")
        scheduler = schedulers.make(name, self.family.scheduler_config)
        options = self.family.schedule_options(scheduler, num_inference_steps, height, width)
        try:
            schedulers.set_timesteps(scheduler, num_inference_steps, **options)
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
        family = self.family
        scale = family.vae_scale_factor
        shape = (1, family.latent_channels, height // scale, width // scale)
        noise = randn_tensor(shape, generator=generator, device=family.device, dtype=family.dtype)
        return noise * schedulers.init_noise_sigma(scheduler)

    @torch.inference_mode()
    def predict_noise(self, rows: Sequence[Row]) -> Tensor:
        """One forward pass: rows of equal batch keys to predictions `[rows, C, h, w]`."""
        latents = torch.cat([row.latents for row in rows])
        timesteps = [float(row.timestep) for row in rows]
        return self.forward(latents, timesteps, self.join([row.conditions for row in rows]))

    @torch.inference_mode()
    def join(self, rows: Sequence[Conditions]) -> Joined:
        """The conditions of many rows, side by side: worth keeping while the batch is the same."""
        names = rows[0].added
        return Joined(
            tuple(rows),
            torch.cat([one.prompt_embeds for one in rows]),
            {name: torch.cat([one.added[name] for one in rows]) for name in names},
        )

    @torch.inference_mode()
    def forward(self, latents: Tensor, timesteps: Sequence[float], joined: Joined) -> Tensor:
        """Latents `[n, C, h, w]`, with a timestep and a condition each, to predictions."""
        family, told = self.family, torch.tensor(timesteps, device=self.family.device)
        with family.loras.applied([one.mix for one in joined.rows]):
            return family.forward(latents, told, joined.prompt_embeds, joined.added)

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
        picture = self.family.decode(latents)[0].float()
        levels = (picture / 2 + 0.5).clamp(0, 1).mul(255).round()
        return levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    @torch.inference_mode()
    def preview(self, scaled: Tensor, noise_pred: Tensor, timestep: Tensor) -> Pixels:
        """A small picture of where an unfinished run is heading, far cheaper than to decode it.

        `scaled`, `[1, C, h, w]`, is what the U-Net saw at `timestep`, `noise_pred` what it said.
        The first call fits the map.
        """
        x0 = self._implied_x0(noise_pred.float(), scaled.float(), timestep)
        return self._preview_map(x0)

    @cached_property
    def _preview_map(self) -> previews.PreviewMap:
        like = torch.empty(0, device=self.family.device, dtype=self.family.dtype)
        return previews.fit(self.family.decode, like, self.family.latent_channels)

    @cached_property
    def _implied_x0(self) -> previews.ImpliedX0:
        return previews.ImpliedX0.of(self.family.scheduler_config, self.family.device)

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
        loras: Wish = (),
    ) -> Tensor:
        """The plain loop for one picture, by the card's defaults: its latents `[1, C, h, w]`."""
        card = self.card
        guidance = card.default_guidance_scale if guidance_scale is None else guidance_scale
        steps = num_inference_steps or card.default_num_inference_steps
        size = (height or card.native_size, width or card.native_size)
        conditions = self.conditions(prompt, negative_prompt, guidance, *size, loras)
        schedule = self.make_scheduler(scheduler or card.default_scheduler, steps, *size)
        generator = torch.Generator("cpu").manual_seed(seed)
        latents = self.prepare_latents(schedule, generator, *size)
        for t in schedule.timesteps:
            scaled = schedulers.scale_model_input(schedule, latents, t)
            noise_pred = self.predict_noise([Row(scaled, t, one) for one in conditions])
            if len(conditions) == 2:
                negative, positive = noise_pred.chunk(2)
                noise_pred = negative + guidance * (positive - negative)
            latents = self.step(schedule, noise_pred, t, latents, generator)
        return latents

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
