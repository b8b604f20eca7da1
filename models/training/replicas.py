"""Copies of a run on several cores or devices that train apart and average now and then.

Local SGD (Stich 2019): one process a core, each with its own batches and optimizer, weights
averaged every few steps. On a CPU this beats threads inside each operation by a wide margin,
most of all when other processes want the cores too: nobody waits for anybody within a step.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing

# glibc hands large blocks back after every operation and then pays for fresh pages; keep them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}


@dataclass(frozen=True)
class Replicas:
    """This process among its like."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that reports and saves."""
        return self.rank == 0

    @torch.no_grad()
    def average(self, weights: Iterable[Tensor]) -> None:
        """Replace the weights of all replicas by their mean."""
        if self.count == 1:
            return
        tensors = list(weights)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, value: float) -> float:
        """The value of the first replica, on all of them."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, src=0)
        return shared.item()


def launch(count: int, train: Callable[..., None], *arguments: Any) -> None:
    """Call `train(replicas, *arguments)` in so many processes of one thread each.

    With one process it is called here, on all threads.
    """
    if count == 1:
        train(Replicas(), *arguments)
        return
    os.environ.update(KEEP_MEMORY, GLOO_SOCKET_IFNAME="lo")
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = Path(folder) / "replicas"
        multiprocessing.spawn(enter, (count, meeting_point, train, arguments), nprocs=count)


def enter(
    rank: int, count: int, meeting_point: Path, train: Callable[..., None], arguments: tuple
) -> None:
    """The life of one replica."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=meeting_point.as_uri(), rank=rank, world_size=count
    )
    train(Replicas(rank, count), *arguments)
    distributed.destroy_process_group()
