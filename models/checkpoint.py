"""Checkpoint folders in diffusers' layout: safetensors only, hash-checked where a card says so.

The classes that may be built stand here; no name in a folder is ever imported, no code of one run.
Knows files and modules. Knows nothing of prompts, steps or jobs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

from models import layout, single_file
from models.card import (
    CheckpointError,
    ModelCard,
    read_card,
    read_json,
    sha256_of,
    write_card,
)
from models.patch_autoencoder import PatchAutoencoder
from models.schedulers import FLOW_SCHEDULERS, SCHEDULERS
from models.unet import GatedUNet

__all__ = ["CheckpointError", "Components", "ModelCard", "load", "read_card", "save"]

WEIGHTS = "diffusion_pytorch_model.safetensors"
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"
NETWORKS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        AutoencoderKL,
        PatchAutoencoder,
        GatedUNet,
        UNet2DConditionModel,
        diffusers.SD3Transformer2DModel,
        diffusers.FluxTransformer2DModel,
        transformers.CLIPTextModel,
        transformers.CLIPTextModelWithProjection,
        transformers.T5EncoderModel,
    )
}
TOKENIZERS: Mapping[str, type] = {
    "CLIPTokenizer": transformers.CLIPTokenizer,
    "CLIPTokenizerFast": transformers.CLIPTokenizer,
    "T5Tokenizer": transformers.T5TokenizerFast,
    "T5TokenizerFast": transformers.T5TokenizerFast,
}


@dataclass(frozen=True, slots=True)
class Components:
    """What a checkpoint folder holds, loaded and ready for inference.

    Attributes:
        modules: Networks and tokenizers by the names of their folders.
        options: What the folder's index says beside its components.
    """

    card: ModelCard
    modules: Mapping[str, Any]
    scheduler_config: Mapping[str, Any]
    options: Mapping[str, Any]


def load(
    path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    names: Iterable[str] = ("unet", "vae"),
    card: ModelCard | None = None,
) -> Components:
    """Load these components of a checkpoint; those that its index leaves out are not there.

    The path is a folder in diffusers' layout, or a single file with such a folder beside it.

    `card` is the folder's own, for callers who have read it.

    Raises:
        CheckpointError: names the file that is missing, corrupt or refused.
    """
    folder = single_file.configs_of(Path(path))
    card = card or read_card(path)
    _check_card(folder, card)
    scheduler_config = read_json(folder / SCHEDULER_CONFIG)
    kinds = _kinds(folder, names)
    weights = single_file.read(Path(path)) if Path(path).is_file() else {}
    inside = {name for name, kind in kinds.items() if weights and single_file.has(weights, kind)}
    for name in kinds.keys() - inside:
        if kinds[name] in NETWORKS.values():
            _check_weights(folder, name, card)
    modules = {
        name: single_file.load(weights, folder, name, kind, dtype)
        if name in inside
        else _load(folder / name, kind, dtype)
        for name, kind in kinds.items()
    }
    for module in modules.values():
        if isinstance(module, torch.nn.Module):
            kind = torch.float32 if _overflows(module, dtype) else dtype
            # diffusers' own `to` warns of a dtype, even of the one it has
            torch.nn.Module.to(module, device=device, dtype=kind).eval().requires_grad_(False)
    return Components(card, modules, scheduler_config, layout.options(folder))


def save(
    path: str | Path,
    card: ModelCard,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL | PatchAutoencoder,
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
    known = {**SCHEDULERS, **FLOW_SCHEDULERS}
    unknown = [name for name in card.schedulers if name not in known]
    if unknown:
        raise CheckpointError(folder, f"its card lists unknown schedulers: {', '.join(unknown)}")
    for name, expected in card.files.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(file, "lies outside the checkpoint folder")
        _check_file(file, expected)


def _check_file(file: Path, expected_sha256: str) -> None:
    if not file.is_file():
        raise CheckpointError(file, layout.why_missing(file.parent))
    if file.suffix == ".safetensors":
        layout.check_safetensors(file)
    actual = sha256_of(file)
    if actual != expected_sha256:
        raise CheckpointError(file, f"SHA-256 is {actual}, the card says {expected_sha256}")


def _check_weights(folder: Path, name: str, card: ModelCard) -> None:
    """All weights are there; a card that lists hashes lists all."""
    for file in layout.find_weights(folder / name)[1]:
        if card.files and file.relative_to(folder).as_posix() not in card.files:
            raise CheckpointError(file, "its SHA-256 is not in the card")


def _kinds(folder: Path, names: Iterable[str]) -> dict[str, type]:
    """The class of each component, as the index says or else the network's own config."""
    index = layout.class_names(folder) if (folder / layout.INDEX).is_file() else {}
    kinds = dict[str, type]()
    for name in names:
        said = index.get(name, "") if name in index else _class_in_config(folder / name)
        if said is None:
            continue
        kind = NETWORKS.get(said) or TOKENIZERS.get(said)
        if kind is None:
            raise CheckpointError(folder / name, f"is a {said!r}, which is not loaded here")
        kinds[name] = kind
    return kinds


def _class_in_config(component: Path) -> str:
    return str(read_json(component / "config.json").get("_class_name"))


def _load(component: Path, kind: type, dtype: torch.dtype) -> Any:
    """One network or tokenizer, by its own library; only from this folder."""
    if kind in TOKENIZERS.values():
        return _load_tokenizer(component, kind)
    config = component / "config.json"
    read_json(config)
    variant, weights = layout.find_weights(component)
    options: dict[str, Any] = {
        "local_files_only": True,
        "use_safetensors": True,
        "output_loading_info": True,
        "variant": variant or None,
    }
    is_ours = issubclass(kind, diffusers.ModelMixin)
    options |= {"torch_dtype": dtype, "low_cpu_mem_usage": False} if is_ours else {"dtype": dtype}
    try:
        module, info = kind.from_pretrained(component, **options)
    except (TypeError, ValueError) as error:
        raise CheckpointError(config, f"describes no {kind.__name__} ({_line(error)})") from error
    except RuntimeError as error:
        raise CheckpointError(weights[0], f"does not fit config.json ({_line(error)})") from error
    if info["missing_keys"] or info["mismatched_keys"]:
        lacking = sorted([*info["missing_keys"], *(key[0] for key in info["mismatched_keys"])])
        reason = f"does not fit config.json: {len(lacking)} weights lack, {lacking[0]} the first"
        raise CheckpointError(weights[0], reason)
    return module


def _load_tokenizer(folder: Path, kind: type) -> Any:
    if not folder.is_dir():
        raise CheckpointError(folder, "missing")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(folder, f"holds no {kind.__name__} ({_line(error)})") from error


def _overflows(module: Any, dtype: torch.dtype) -> bool:
    """Whether it says itself that float16 is too narrow for it, as SDXL's autoencoder does."""
    return dtype == torch.float16 and bool(getattr(module.config, "force_upcast", False))


def _line(error: Exception) -> str:
    """What the library says, on one line."""
    return " ".join(str(error).split())[:300]
