"""The architectures that share one pipeline and one engine, by the name that a card gives them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models import checkpoint
from models.card import CheckpointError, ModelCard, read_card, read_json
from models.families import description
from models.families.default import DefaultFamily
from models.families.family import Conditions, Family, Row
from models.families.flux import Flux
from models.families.stable_diffusion import StableDiffusion
from models.families.stable_diffusion_3 import StableDiffusion3
from models.families.stable_diffusion_xl import StableDiffusionXL
from models.layout import INDEX

__all__ = ["FAMILIES", "Conditions", "Family", "Row", "describe", "load"]

FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (DefaultFamily, StableDiffusion, StableDiffusionXL, StableDiffusion3, Flux)
}


def load(
    path: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Family:
    """Load a checkpoint as the family that its card names.

    Raises:
        CheckpointError: names the file that is missing, corrupt or refused.
    """
    card = read_card(path)
    if card.family not in FAMILIES:
        raise CheckpointError(path, f"unknown model family {card.family!r}")
    family = FAMILIES[card.family]
    return family.of(checkpoint.load(path, device, dtype, family.component_names, card))


def describe(folder: Path, said: Mapping[str, Any]) -> ModelCard:
    """The card of a folder of somebody else's, from its configs; what its owner said goes first.

    Raises:
        CheckpointError: its pipeline is none of ours, or a config is missing or says nonsense.
    """
    pipeline_class = read_json(folder / INDEX).get("_class_name")
    for family in FAMILIES.values():
        if family.pipeline_class == pipeline_class:
            break
    else:
        raise CheckpointError(folder / INDEX, f"a {pipeline_class} is none of the known families")
    try:
        found = description.read(folder, family.denoiser_name)
        return description.card_of(folder, family.name, found, {**family.describe(found), **said})
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(folder, f"its configs do not describe a model ({error!r})") from error
