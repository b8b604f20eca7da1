"""One `.safetensors` with a whole checkpoint, as people trade them; configs lie in a folder beside.

`v1-5.safetensors` wants `v1-5/`: the folder that diffusers' layout would be, without the weights
that the file has. The conversion is diffusers' own. Nothing is fetched.
"""

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders import single_file_utils
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from safetensors.torch import load_file

from models.card import CheckpointError
from models.layout import check_safetensors

Weights = dict[str, torch.Tensor]


def configs_of(path: Path) -> Path:
    """The folder with the configs: of a single file the one beside it, else the path itself."""
    return path.with_suffix("") if path.is_file() else path


def read(file: Path) -> Weights:
    """All weights of the file.

    Raises:
        CheckpointError: it is a pickle, truncated or no safetensors.
    """
    if file.suffix != ".safetensors":
        raise CheckpointError(file, "refused: a pickle can run code, use safetensors")
    check_safetensors(file)
    return load_file(file)


def has(weights: Weights, kind: type) -> bool:
    """Whether the file has the weights of such a component."""
    if kind.__name__.startswith("CLIP"):
        return bool(single_file_utils.is_clip_model_in_single_file(kind, weights))
    if kind.__name__.startswith("T5"):
        return bool(single_file_utils.is_t5_in_single_file(weights))
    return issubclass(kind, diffusers.ModelMixin)


def load(weights: Weights, configs: Path, name: str, kind: Any, dtype: torch.dtype) -> Any:
    """One network out of the file.

    Raises:
        CheckpointError: the weights are not those that the config describes.
    """
    options: dict[str, Any] = {"subfolder": name, "torch_dtype": dtype, "local_files_only": True}
    try:
        if kind.__name__.startswith("CLIP"):
            return single_file_utils.create_diffusers_clip_model_from_ldm(
                kind, weights, config=str(configs), **options
            )
        if kind.__name__.startswith("T5"):
            return single_file_utils.create_diffusers_t5_model_from_checkpoint(
                kind, weights, config=str(configs), **options
            )
        return _converted(weights, configs / name, kind).to(dtype)
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        reason = f"the file beside it has no such {kind.__name__} ({said})"
        raise CheckpointError(configs / name, reason) from error


def _converted(weights: Weights, folder: Path, kind: Any) -> Any:
    """One of diffusers' networks; its own `from_single_file` leaves what is missing as it is."""
    config = kind.load_config(folder, local_files_only=True)
    convert = SINGLE_FILE_LOADABLE_CLASSES[kind.__name__]["checkpoint_mapping_fn"]
    module = kind.from_config(config)
    missing, _ = module.load_state_dict(
        convert(config=config, checkpoint=dict(weights)), strict=False
    )
    if missing:
        raise KeyError(f"{len(missing)} weights lack, {missing[0]} the first")
    return module
