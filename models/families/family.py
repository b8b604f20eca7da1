"""What an architecture is to the pipeline and the engine. An adapter says only what differs.

Latents are `[1, C, h, w]` everywhere: an architecture that packs them does so inside `forward`.
Knows tensors. Knows nothing of schedulers' steps, batches or jobs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models import autoencoder
from models.cache import BoundedCache
from models.card import CARD_NAME
from models.checkpoint import Components
from models.families.description import Description
from models.lora.files import Modules
from models.lora.rows import NO_MIX, Mix, RowLoras
from models.schedulers import Scheduler

MAX_EMBEDDING_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """What one row of a forward pass is told beside its latents and its timestep.

    Attributes:
        prompt_embeds: Text states `[1, length, width]`.
        added: Further inputs, `[1, ...]` each, by the names that the family's `forward` reads.
        mix: The adapters that the row runs with.
    """

    prompt_embeds: Tensor
    added: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    mix: Mix = NO_MIX

    @property
    def num_bytes(self) -> int:
        return sum(one.nbytes for one in (self.prompt_embeds, *self.added.values()))


def texts_of_rows(prompt: str, negative_prompt: str, guidance_scale: float) -> list[str]:
    """What the rows of one picture read: guidance at or below 1 needs no negative row."""
    return [negative_prompt, prompt] if guidance_scale > 1 else [prompt]


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
        network: The denoiser as a module.
        loras: The adapters that rows may have.
        vae: The autoencoder.
    """

    name: ClassVar[str]
    pipeline_class: ClassVar[str]
    denoiser_name: ClassVar[str] = "unet"
    component_names: ClassVar[tuple[str, ...]]

    def __init__(self, components: Components) -> None:
        self.card = components.card
        self.scheduler_config = components.scheduler_config
        self.network: Any = components.modules[self.denoiser_name]
        self._called: Any = self.network
        self.vae: Any = components.modules["vae"]
        self._vae_dtype: torch.dtype = self.vae.dtype
        self.device: torch.device = self.network.device
        self.dtype: torch.dtype = self.network.dtype
        self.latent_channels: int = self.vae.config["latent_channels"]
        self.vae_scale_factor = autoencoder.factor_of(self.vae.config)
        self.loras = RowLoras(self._adaptable(components), self.device, self.dtype)
        self._encoded = BoundedCache[Conditions](lambda one: one.num_bytes, MAX_EMBEDDING_BYTES)

    @property
    def denoiser(self) -> Any:
        """What is called to predict: a faster runtime, but the module for rows with adapters."""
        return self.network if any(self.loras.active) else self._called

    @denoiser.setter
    def denoiser(self, runtime: Any) -> None:
        self._called = runtime

    def batch_key(self, latents: Tensor, conditions: Conditions) -> Hashable:
        """Rows of equal keys may share a forward pass."""
        needs_module = self._called is not self.network and bool(conditions.mix.wish)
        return latents.shape[1:], conditions.prompt_embeds.shape[1:], needs_module

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

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        added: Mapping[str, Tensor],
    ) -> Tensor:
        """Rows `[n, C, h, w]`, `[n]`, `[n, length, width]` to predictions `[n, C, h, w]`.

        By a U-Net that is told the text alone, unless the family says otherwise.
        """
        return self.denoiser(
            latents, timesteps, encoder_hidden_states=prompt_embeds, return_dict=False
        )[0]

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
        return autoencoder.decode(self.vae, latents.to(self._vae_dtype))

    def tile_decoder(self) -> None:
        """Have pictures larger than the autoencoder was made for decoded in overlapping tiles.

        That takes less memory, and the picture is a little another one. Our own autoencoder knows
        no tiles.
        """
        if isinstance(self.vae, AutoencoderKL):
            self.vae.enable_tiling()

    def cached(self, key: Hashable, encode: Callable[[], Conditions]) -> Conditions:
        """What was encoded under this key before, or now."""
        return self._encoded.get((self.loras.active, key), encode)

    def _adaptable(self, components: Components) -> Modules:
        """The modules of all networks that an adapter may be for, the denoiser's first."""
        names = [self.denoiser_name, *(n for n in components.modules if n.startswith("text_enc"))]
        return {name: dict(components.modules[name].named_modules()) for name in names}
