"""What a folder in diffusers' layout is made of: its index, its files, whether they can be read.

Checks before anything is loaded, so that a fault is one line that names a file. Knows files; knows
no network and unpacks no pickle.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors

from models.card import CheckpointError, read_json

INDEX = "model_index.json"
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
STEMS = ("diffusion_pytorch_model", "model")  # of weight files: diffusers' and transformers'
UNUSED = ("safety_checker", "image_encoder", "feature_extractor")
VARIANTS = ("", ".fp16", ".bf16")  # a variant is loaded only where the full weights are not


def class_names(folder: Path) -> dict[str, str | None]:
    """The components that `model_index.json` names, and their classes; None: left out on purpose.

    Raises:
        CheckpointError: there is no index, or it is none.
    """
    pairs = {name: one for name, one in read_json(folder / INDEX).items() if isinstance(one, list)}
    if any(len(pair) != 2 for pair in pairs.values()):
        raise CheckpointError(folder / INDEX, "a component is no pair of library and class")
    return {name: pair[1] for name, pair in pairs.items()}


def options(folder: Path) -> dict[str, Any]:
    """What else `model_index.json` says of the pipeline; nothing where there is none."""
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    return {name: one for name, one in index.items() if not isinstance(one, list)}


def find_weights(component: Path) -> tuple[str, list[Path]]:
    """The variant (mostly empty) and the weight files of one component, all there and readable.

    Raises:
        CheckpointError: names the file that is missing, refused or cut short.
    """
    for variant in VARIANTS:
        for stem in STEMS:
            single = component / f"{stem}{variant}.safetensors"
            index = component / f"{stem}.safetensors.index{variant}.json"
            if index.is_file():
                return variant.removeprefix("."), list(_shards(index))
            if single.is_file():
                check_safetensors(single)
                return variant.removeprefix("."), [single]
    raise CheckpointError(component / f"{_stem_of(component)}.safetensors", why_missing(component))


def check_safetensors(file: Path) -> None:
    """Read the table of a weight file and compare it with the file's length.

    Raises:
        CheckpointError: it is truncated, or no safetensors at all.
    """
    try:
        with safetensors.safe_open(file, framework="np"):
            pass
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(file, f"truncated or corrupt safetensors ({error})") from error


def count_parameters(path: Path) -> int:
    """Numbers in all weights of a checkpoint, out of the tables at the head of its files.

    Raises:
        CheckpointError: names the file that is missing, refused or cut short.
    """
    if path.is_file():
        return _numbers_in(path)
    components = [one.parent for one in path.glob("*/config.json")]
    files = [file for one in components if one.name not in UNUSED for file in find_weights(one)[1]]
    return sum(_numbers_in(file) for file in files)


def _numbers_in(file: Path) -> int:
    check_safetensors(file)
    with safetensors.safe_open(file, framework="np") as opened:
        shapes = [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118
    return sum(math.prod(shape) for shape in shapes)


def why_missing(component: Path) -> str:
    """Missing, and whether a pickle stands where the weights should be."""
    pickles = sorted(p.name for p in component.glob("*") if p.suffix in PICKLES)
    if pickles:
        return f"missing; {', '.join(pickles)} is refused: a pickle can run code, use safetensors"
    return "missing"


def _shards(index: Path) -> Iterator[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(index, "has no weight_map")
    for name in sorted(set(weight_map.values())):
        shard = index.parent / name
        if shard.parent != index.parent or shard.suffix != ".safetensors":
            raise CheckpointError(index, f"names {json.dumps(name)}, which is no shard beside it")
        if not shard.is_file():
            raise CheckpointError(shard, f"missing; {index.name} names this shard")
        check_safetensors(shard)
        yield shard


def _stem_of(component: Path) -> str:
    return STEMS[1] if component.name.startswith("text_encoder") else STEMS[0]
