"""The architectures that share one pipeline and one engine, by the name that a card gives them."""

from pathlib import Path

import torch

from models import checkpoint
from models.families.default import DefaultFamily
from models.families.family import Conditions, Family, Row

__all__ = ["FAMILIES", "Conditions", "Family", "Row", "load"]

FAMILIES = {"default": DefaultFamily}


def load(
    path: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Family:
    """Load a checkpoint as the family that its card names.

    Raises:
        CheckpointError: names the file that is missing, corrupt or refused.
    """
    name = checkpoint.read_card(path).family
    if name not in FAMILIES:
        raise checkpoint.CheckpointError(path, f"unknown model family {name!r}")
    return FAMILIES[name].of(checkpoint.load(path, device, dtype), device, dtype)
