"""A folder without a card of ours: what its configs say a client may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import autoencoder, schedulers
from models.card import ModelCard, read_json
from models.checkpoint import SCHEDULER_CONFIG
from models.layout import INDEX

MIN_SIZE, MAX_SIZE = 64, 2048  # pixels; the service's own bounds
LICENSE = "unknown: see the checkpoint's own card"


@dataclass(frozen=True, slots=True)
class Description:
    """The configs of a folder, as diffusers writes them."""

    denoiser: Mapping[str, Any]
    vae: Mapping[str, Any]
    scheduler: Mapping[str, Any]

    @property
    def factor(self) -> int:
        """Pixels along one side of a latent."""
        return autoencoder.factor_of(self.vae)

    @property
    def sample_size(self) -> int:
        """Latents along one side of a native picture."""
        return int(self.denoiser["sample_size"])


def read(folder: Path, denoiser_name: str) -> Description:
    """The configs of this folder.

    Raises:
        CheckpointError: names the one that is missing or not readable.
    """
    return Description(
        read_json(folder / denoiser_name / "config.json"),
        read_json(folder / "vae" / "config.json"),
        read_json(folder / SCHEDULER_CONFIG),
    )


def is_distilled(scheduler: Mapping[str, Any]) -> bool:
    """Whether it was made for a few steps without guidance: Turbo's and Lightning's config.

    They space their steps from the end, which else only a terminal SNR of zero asks for.
    """
    from_the_end = scheduler.get("timestep_spacing") == "trailing"
    is_lcm = scheduler.get("_class_name") == "LCMScheduler"
    return is_lcm or (from_the_end and not scheduler.get("rescale_betas_zero_snr"))


def card_of(folder: Path, family: str, found: Description, said: Mapping[str, Any]) -> ModelCard:
    """A card from the configs and from what the family and the folder's owner say."""
    names = schedulers.supported(found.scheduler)
    native = int(said["native_size"])
    values = {
        "family": family,
        "min_size": min(MIN_SIZE, native),
        "schedulers": names,
        "default_scheduler": schedulers.name_of(found.scheduler, names),
        "license": LICENSE,
        "created": int((folder / INDEX).stat().st_mtime),
        "files": {},
        "max_size": 2 * native,
        **said,
    }
    values["max_size"] = min(values["max_size"], MAX_SIZE)
    return ModelCard.from_json(values)
