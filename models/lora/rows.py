"""Adapters over networks that all rows share: each row of a forward pass has its own mix.

The weights of the networks are never changed. A hook adds to a module's output, for the rows of one
mix at a time, what that mix's pairs make of the rows' input. The matrices of a mix are laid side by
side once, so that a mix of three costs as many products as one; and no shape depends on who else
is in the batch.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.cache import BoundedCache
from models.lora.files import Adapter, Delta, Modules, num_bytes_of, read

MAX_ADAPTER_BYTES = 2 * 2**30
MAX_MIX_BYTES = 2**30

Wish = tuple[tuple[str, float], ...]  # names and weights


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The pairs of a mix for one module, laid side by side; the weights are in `up`."""

    down: Tensor
    up: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """What one row adds to the networks, by component and module."""

    wish: Wish = ()
    pairs: Mapping[str, Pair] = field(default_factory=dict[str, Pair])

    @property
    def num_bytes(self) -> int:
        return sum(pair.down.nbytes + pair.up.nbytes for pair in self.pairs.values())


NO_MIX = Mix()


class RowLoras:
    """The adapters of one family. Rows in flight hold their mixes; what else is kept is bounded.

    Attributes:
        files: The adapters on offer, by name.
        active: The wishes of the rows that a network runs for now.
    """

    def __init__(self, modules: Modules, device: torch.device, dtype: torch.dtype) -> None:
        self.modules, self._device, self._dtype = modules, device, dtype
        self._adapters = BoundedCache[Adapter](num_bytes_of, MAX_ADAPTER_BYTES)
        self._mixes = BoundedCache[Mix](lambda mix: mix.num_bytes, MAX_MIX_BYTES)
        self._hooked: set[str] = set()
        self._groups: list[tuple[slice, Mapping[str, Pair]]] = []
        self.files: Mapping[str, Path] = {}
        self.active: tuple[Wish, ...] = ()

    def mix(self, wish: Wish) -> Mix:
        """What rows of this wish need; files are read as they are asked for.

        Raises:
            KeyError: no such adapter is offered.
            CheckpointError: its file cannot be used with this model.
        """
        return self._mixes.get(wish, lambda: self._side_by_side(wish)) if wish else NO_MIX

    @contextlib.contextmanager
    def applied(self, mixes: Sequence[Mix]) -> Iterator[None]:
        """Within, row i of every batch has mix i."""
        self.active = tuple(mix.wish for mix in mixes)
        start = 0
        for _, rows in groupby(mixes, key=id):
            group = list(rows)
            if group[0].pairs:
                self._groups.append((slice(start, start + len(group)), group[0].pairs))
            start += len(group)
        try:
            yield
        finally:
            self._groups, self.active = [], ()

    def _side_by_side(self, wish: Wish) -> Mix:
        deltas = dict[str, list[tuple[Delta, float]]]()
        for name, weight in wish:
            for place, delta in self._adapter(name).items():
                deltas.setdefault(place, []).append((delta, weight * delta.scale))
        pairs = {
            place: Pair(
                self._here([delta.down for delta, _ in parts], dim=0),
                self._here([delta.up.float() * scale for delta, scale in parts], dim=1),
            )
            for place, parts in deltas.items()
        }
        return Mix(wish, pairs)

    def _adapter(self, name: str) -> Adapter:
        adapter = self._adapters.get(name, lambda: read(self.files[name], self.modules))
        self._hook(adapter)
        return adapter

    def _here(self, parts: list[Tensor], dim: int) -> Tensor:
        return torch.cat([one.float() for one in parts], dim=dim).to(self._device, self._dtype)

    def _hook(self, adapter: Adapter) -> None:
        for place in adapter.keys() - self._hooked:
            component, _, name = place.partition(".")
            self.modules[component][name].register_forward_hook(self._adder(place))
            self._hooked.add(place)

    def _adder(self, place: str) -> Any:
        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            for rows, pairs in self._groups:
                if pair := pairs.get(place):
                    output[rows] += _low_rank(module, inputs[0][rows], pair)

        return add


def _low_rank(module: nn.Module, x: Tensor, pair: Pair) -> Tensor:
    if isinstance(module, nn.Conv2d):
        low = F.conv2d(x, pair.down, None, module.stride, module.padding, module.dilation)
        return F.conv2d(low, pair.up)
    return F.linear(F.linear(x, pair.down), pair.up)
