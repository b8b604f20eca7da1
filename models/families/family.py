"""What an architecture is to the pipeline and the engine. An adapter says only what differs.

Latents are `[1, C, h, w]` everywhere: an architecture that packs them does so inside `forward`.
Knows tensors. Knows nothing of schedulers' steps, batches or jobs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from models import autoencoder
from models.card import CARD_NAME
from models.checkpoint import Components
from models.families.description import Description
from models.prompts.cache import EmbeddingCache
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

    @property
    def num_bytes(self) -> int:
        return sum(one.nbytes for one in (self.prompt_embeds, *self.added.values()))


class Row(NamedTuple):
    """One row of a forward pass: latents `[1, C, h, w]`, its timestep, its conditions."""

    latents: Tensor
    timestep: Tensor
    conditions: Conditions


class Family(ABC):
    """One checkpoint's modules and how this architecture calls them.

    Attributes:
        name: How cards call it.
        pipeline_class: How `model_index.json` of a folder without a card calls it.
        component_names: What is loaded; what the folder's index leaves out is not there.
        denoiser: The network itself, or whatever is called like it: a faster runtime may replace
            it. What must be known of it is read once, here.
        vae: The autoencoder.
    """

    name: ClassVar[str]
    pipeline_class: ClassVar[str]
    denoiser_name: ClassVar[str] = "unet"
    component_names: ClassVar[tuple[str, ...]]

    def __init__(self, components: Components) -> None:
        self.card = components.card
        self.scheduler_config = components.scheduler_config
        self.denoiser: Any = components.modules[self.denoiser_name]
        self.vae: Any = components.modules["vae"]
        self.device: torch.device = self.denoiser.device
        self.dtype: torch.dtype = self.denoiser.dtype
        self.latent_channels: int = self.vae.config["latent_channels"]
        self.vae_scale_factor = autoencoder.factor_of(self.vae.config)
        self._encoded = EmbeddingCache[Conditions](lambda one: one.num_bytes)

    @classmethod
    def of(cls, components: Components) -> Self:
        """Over what was loaded, and what the family has from elsewhere."""
        return cls(components)

    @classmethod
    def describe(cls, found: Description) -> Mapping[str, Any]:
        """Fields of the card, out of the configs of a folder that has none.

        Raises:
            KeyError: this family's folders always have a card.
        """
        raise KeyError(CARD_NAME)

    @abstractmethod
    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        """The rows of one picture in every forward pass: two if guided, the negative one first."""

    @abstractmethod
    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        """Rows `[n, C, h, w]`, `[n]`, `[n, length, width]` to predictions `[n, C, h, w]`."""

    def truncates(self, prompt: str) -> bool:
        """Whether this architecture reads only the beginning of the prompt."""
        return False

    def schedule_options(
        self, scheduler: Scheduler, num_inference_steps: int, height: int, width: int
    ) -> dict[str, Any]:
        """What `set_timesteps` is told beside the number of steps."""
        return {}

    def decode(self, latents: Tensor) -> Tensor:
        """Latents `[n, C, h, w]` to pixels `[n, 3, height, width]`, about -1 to 1."""
        return autoencoder.decode(self.vae, latents)

    def cached(self, key: Hashable, encode: Callable[[], Conditions]) -> Conditions:
        """What was encoded under this key before, or now."""
        return self._encoded.get(key, encode)
