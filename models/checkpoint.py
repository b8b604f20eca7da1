"""Checkpoint folders in diffusers' layout: safetensors only, every weight file hash-checked.

Knows files and modules. Knows nothing of prompts, steps or jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

from models.card import CheckpointError, ModelCard, read_card, read_json, sha256_of, write_card
from models.schedulers import SCHEDULERS

__all__ = ["CheckpointError", "Components", "ModelCard", "load", "read_card", "save"]

WEIGHTS = "diffusion_pytorch_model.safetensors"
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


@dataclass(frozen=True, slots=True)
class Components:
    """What a checkpoint folder holds, loaded and ready for inference."""

    card: ModelCard
    modules: Mapping[str, Any]
    scheduler_config: Mapping[str, Any]


def load(
    path: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Components:
    """Load a checkpoint folder.

    Raises:
        CheckpointError: names the file that is missing, corrupt or refused.
    """
    folder = Path(path)
    card = read_card(folder)
    _check_card(folder, card)
    scheduler_config = read_json(folder / SCHEDULER_CONFIG)
    unet = _load_module(folder / "unet", UNet2DConditionModel, card)
    vae = _load_module(folder / "vae", AutoencoderKL, card)
    for module in (unet, vae):  # diffusers' own `to` warns of a dtype, even of the one it has
        torch.nn.Module.to(module, device=device, dtype=dtype)
    return Components(card, {"unet": unet, "vae": vae}, scheduler_config)


def save(
    path: str | Path,
    card: ModelCard,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    scheduler: DDIMScheduler,
) -> ModelCard:
    """Write a checkpoint folder; the card's `files` are the hashes of what was written."""
    folder = Path(path)
    unet.save_pretrained(folder / "unet", safe_serialization=True)
    vae.save_pretrained(folder / "vae", safe_serialization=True)
    scheduler.save_pretrained(folder / "scheduler")
    names = [f"unet/{WEIGHTS}", f"vae/{WEIGHTS}"]
    card = replace(card, files={name: sha256_of(folder / name) for name in names})
    write_card(folder, card)
    return card


def _check_card(folder: Path, card: ModelCard) -> None:
    unknown = [name for name in card.schedulers if name not in SCHEDULERS]
    if unknown:
        raise CheckpointError(folder, f"its card lists unknown schedulers: {', '.join(unknown)}")
    for name, expected in card.files.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(file, "lies outside the checkpoint folder")
        _check_file(file, expected)


def _check_file(file: Path, expected_sha256: str) -> None:
    if not file.is_file():
        raise CheckpointError(file, _why_missing(file))
    if file.suffix == ".safetensors":
        try:
            with safetensors.safe_open(file, framework="pt"):
                pass
        except (OSError, safetensors.SafetensorError) as error:
            raise CheckpointError(file, f"truncated or corrupt safetensors ({error})") from error
    actual = sha256_of(file)
    if actual != expected_sha256:
        raise CheckpointError(file, f"SHA-256 is {actual}, the card says {expected_sha256}")


def _why_missing(file: Path) -> str:
    pickles = sorted(p.name for p in file.parent.glob("*") if p.suffix in PICKLES)
    if pickles:
        return f"missing; {', '.join(pickles)} is refused: a pickle can run code, use safetensors"
    return "missing"


def _load_module(folder: Path, kind: type, card: ModelCard) -> Any:
    weights, config = folder / WEIGHTS, folder / "config.json"
    if not weights.is_file():
        raise CheckpointError(weights, _why_missing(weights))
    if f"{folder.name}/{WEIGHTS}" not in card.files:
        raise CheckpointError(weights, "its SHA-256 is not in the card")
    try:
        module = kind.from_config(read_json(config))
    except (TypeError, ValueError) as error:
        raise CheckpointError(config, f"describes no {kind.__name__} ({error})") from error
    try:
        module.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise CheckpointError(weights, f"does not fit config.json ({error})") from error
    return module.eval().requires_grad_(False)
