"""What an architecture is to the pipeline and the engine. An adapter says only what differs.

Latents are `[1, C, h, w]` everywhere: an architecture that packs them does so inside `forward`.
Knows tensors. Knows nothing of schedulers' steps, batches or jobs.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models import autoencoder
from models.checkpoint import Components
from models.schedulers import Scheduler


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """What one row of a forward pass is told beside its latents and its timestep.

    Attributes:
        prompt_embeds: Text states `[1, length, width]`.
        added: Further inputs, `[1, ...]` each, by the names that the family's `forward` reads.
    """

    prompt_embeds: Tensor
    added: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class Row(NamedTuple):
    """One row of a forward pass: latents `[1, C, h, w]`, its timestep, its conditions."""

    latents: Tensor
    timestep: Tensor
    conditions: Conditions


class Family(ABC):
    """One checkpoint's modules and how this architecture calls them.

    Attributes:
        denoiser: The network itself, or whatever is called like it: a faster runtime may replace
            it. What must be known of it is read once, here.
        vae: The autoencoder.
    """

    def __init__(self, components: Components, denoiser: str) -> None:
        self.card = components.card
        self.scheduler_config = components.scheduler_config
        self.denoiser: Any = components.modules[denoiser]
        self.vae: Any = components.modules["vae"]
        self.device: torch.device = self.denoiser.device
        self.dtype: torch.dtype = self.denoiser.dtype
        self.latent_channels: int = self.denoiser.config["in_channels"]
        self.vae_scale_factor = autoencoder.scale_factor(self.vae)

    @abstractmethod
    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        """The rows of one picture in every forward pass: two if guided, the negative one first."""

    @abstractmethod
    def truncates(self, prompt: str) -> bool:
        """Whether this architecture reads only the beginning of the prompt."""

    @abstractmethod
    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        """Rows `[n, C, h, w]`, `[n]`, `[n, length, width]` to predictions `[n, C, h, w]`."""

    def schedule_options(
        self, scheduler: Scheduler, num_inference_steps: int, height: int, width: int
    ) -> dict[str, Any]:
        """What `set_timesteps` is told beside the number of steps."""
        return {}

    def decode(self, latents: Tensor) -> Tensor:
        """Latents `[n, C, h, w]` to pixels `[n, 3, height, width]`, about -1 to 1."""
        return autoencoder.decode(self.vae, latents)
