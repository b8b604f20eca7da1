"""Where and in which precision training runs: found out, not configured."""

import contextlib

import torch


def training_device() -> torch.device:
    """The first GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is quicker than float32 here: on a GPU, or a CPU with the instructions."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 where that is quicker; weights and optimizer stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
