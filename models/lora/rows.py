"""Adapters over networks that all rows share: each row of a forward pass has its own mix.

The weights of the networks are never changed. The matrices of a mix are laid side by side once, so
that a mix of three costs as many products as one. What they make of the rows' input is added to a
module's output, for the rows of one mix at a time. Where that is more work than the product of the
two matrices, which is so for narrow layers over many tokens, the rows go through the sum of the
layer's weights and that product instead: added up for this one call, and in float32 only, since
narrower numbers would round a small change away.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
            module = self.modules[component][name]
            module.forward = self._with_adapters(place, module, module.forward)
            self._hooked.add(place)

    def _with_adapters(self, place: str, module: Any, plain: Callable[..., Tensor]) -> Any:
        def forward(x: Tensor, *args: Any) -> Tensor:
            groups = [(rows, pairs[place]) for rows, pairs in self._groups if place in pairs]
            if groups and all(_is_worth_merging(module, x[rows]) for rows, _ in groups):
                return _through_sums(module, x, groups)
            output = plain(x, *args)
            for rows, pair in groups:
                _add_low_rank(module, x[rows], pair, output[rows])
            return output

        return forward


def _is_worth_merging(module: nn.Module, x: Tensor) -> bool:
    """Whether the pair's product is less work than sending so many tokens through the pair."""
    if not isinstance(module, nn.Linear) or x.dtype != torch.float32:
        return False
    width_in, width_out = module.in_features, module.out_features
    return x.numel() // width_in * (width_in + width_out) > width_in * width_out


def _through_sums(module: nn.Linear, x: Tensor, groups: Sequence[tuple[slice, Pair]]) -> Tensor:
    """The rows of each group through weights of their own, those between through the layer's."""
    output = x.new_empty(*x.shape[:-1], module.out_features)

    def fill(rows: slice, weight: Tensor) -> None:
        if rows.start == rows.stop:
            return
        flat, there = x[rows].flatten(0, -2), output[rows].view(-1, module.out_features)
        if module.bias is None:
            torch.mm(flat, weight.T, out=there)
        else:
            torch.addmm(module.bias, flat, weight.T, out=there)

    done = 0
    for rows, pair in groups:
        fill(slice(done, rows.start), module.weight)
        fill(rows, torch.addmm(module.weight, pair.up, pair.down))
        done = rows.stop
    fill(slice(done, len(x)), module.weight)
    return output


def _add_low_rank(module: nn.Module, x: Tensor, pair: Pair, output: Tensor) -> None:
    """Onto the output in place."""
    if isinstance(module, nn.Conv2d):
        low = F.conv2d(x, pair.down, None, module.stride, module.padding, module.dilation)
        output += F.conv2d(low, pair.up)
    else:
        output += F.linear(F.linear(x, pair.down), pair.up)
