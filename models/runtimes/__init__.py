"""What a network is computed by: torch as it is, or a compiled form of the same network."""

import importlib.util
import os
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from models.card import CheckpointError
from models.families import Family

NAMES = ("auto", "torch", "openvino", "graphs")


class RuntimeMissing(CheckpointError):
    """This runtime cannot compute that model here; a worker refuses to start."""


def install(
    family: Family,
    wanted: str = "auto",
    folder: Path | None = None,
    threads: int | None = None,
    dtype: str = "float32",
) -> str:
    """Have the wanted runtime compute the family's networks from now on.

    Args:
        family: Its denoiser and its autoencoder are replaced by what is called like them.
        wanted: One of `NAMES`; `auto` is OpenVINO where it can be and torch elsewhere.
        folder: Where converted networks are kept for the next start.
        threads: Cores to use; None: all that this process may.
        dtype: What a compiled network computes in; `auto` is bfloat16 where the CPU has
            instructions for it and float32 elsewhere. Torch computes in the family's own.

    Returns:
        The runtime's name and version, and its dtype unless that is float32, for the record of
        what it draws.

    Raises:
        RuntimeMissing: what is wanted cannot be.
    """
    if wanted == "graphs":
        return _record(family)
    why_not = None if wanted == "torch" else _why_not_openvino(family)
    if wanted == "openvino" and why_not:
        raise RuntimeMissing("openvino", f"cannot compute this model here: {why_not}")
    if wanted == "torch" or why_not:
        return _torch()
    from models.runtimes import openvino

    streams = threads or len(os.sched_getaffinity(0))
    if dtype == "auto":
        dtype = "bfloat16" if openvino.has_bfloat16() else "float32"
    openvino.install(family, folder, min(streams, openvino.MOST_STREAMS), dtype)
    return f"openvino {openvino.version()}{'' if dtype == 'float32' else f', {dtype}'}"


def _record(family: Family) -> str:
    if family.device.type != "cuda":
        raise RuntimeMissing("graphs", f"are for a GPU, and the device is {family.device.type}")
    from models.runtimes import graphs

    graphs.install(family)
    return f"{_torch()}, graphs"


def _torch() -> str:
    return f"torch {torch.__version__.split('+')[0]}"


def _why_not_openvino(family: Family) -> str | None:
    if family.device.type != "cpu":
        return "the device is not the CPU"
    if family.dtype != torch.float32:
        return f"the dtype is {family.dtype}, not float32"
    if not isinstance(family.denoiser, UNet2DConditionModel):
        return f"its network is a {type(family.denoiser).__name__}, not a U-Net"
    if importlib.util.find_spec("openvino") is None:
        return "the package openvino is not installed"
    return None
