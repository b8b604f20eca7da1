"""How much memory the work takes."""

from pathlib import Path

import torch

PAGE_BYTES = 4096
STATM = Path("/proc/self/statm")


def memory_bytes(device: str) -> int:
    """Memory that torch holds on a GPU; on a CPU the resident memory of this process."""
    if device == "cuda":
        return torch.cuda.memory_reserved()
    if device == "mps":
        return torch.mps.driver_allocated_memory()
    try:
        return int(STATM.read_text().split()[1]) * PAGE_BYTES
    except OSError:  # no such file on macOS
        return 0
