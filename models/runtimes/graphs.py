"""CUDA graphs: a network at a few fixed numbers of rows, each recorded once and replayed after.

NEVER RUN ON A GPU so far. On a CPU, where the tests run it, nothing can be recorded and a replay is
a call with the same tensors; whatever else is here is the same.

A small network spends a GPU's time on launching its kernels; a replay launches all of them at once.
A shape that is new holds nobody up: its first pass runs as it is, and the second is recorded on its
way, which takes about as long as one more. What the worker times at its start has been recorded by
then. Self-attention's three projections are one product in a recording; rows with adapters, which
are hooked to the single ones, never go by a recording (`Family.denoiser`).
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import SD3Transformer2DModel, UNet2DConditionModel
from torch import Tensor
from torch.utils import _pytree as pytree

from models.families import Family

BUCKETS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
MOST_RECORDINGS = 48  # the longest unused goes
WITHOUT_ROWS = ("txt_ids", "img_ids")  # Flux's: where tokens stand, the same for all rows


@dataclass(frozen=True, slots=True)
class Recording:
    """A pass over tensors of its own, which the next pass writes over."""

    inputs: list[Any]
    output: Tensor
    replay: Callable[[], object]

    def __call__(self, inputs: list[Any], rows: int) -> Tensor:
        """Rows beyond those of the inputs stay as they were: no row's bits depend on another's."""
        for ours, theirs in zip(self.inputs, inputs, strict=True):
            if isinstance(ours, Tensor):
                ours[: len(theirs)].copy_(theirs)
        self.replay()
        return self.output[:rows].clone()


class Recorded:
    """Called like the network it stands for."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self._plain, self._fused = _processors(network)
        self._recordings = OrderedDict[Hashable, Recording]()
        self._seen = set[Hashable]()
        is_cuda = network.device.type == "cuda"
        self._pool = torch.cuda.graph_pool_handle() if is_cuda else None

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Tensor]:
        """Tensors of n rows each to the prediction of n rows, in a tuple."""
        rows = len(next(one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)))
        bucket = next((one for one in BUCKETS if one >= rows), None)
        leaves, form = pytree.tree_flatten((args, kwargs))
        key = (bucket, str(form), *((one.shape[1:], one.dtype) for one in _tensors(leaves)))
        if bucket is None or key not in self._seen:
            self._seen.add(key)
            return self.network(*args, **kwargs)
        if key not in self._recordings:
            shared = {id(one) for name in WITHOUT_ROWS if (one := kwargs.get(name)) is not None}
            inputs = [_stretched(one, bucket) if _has_rows(one, shared) else one for one in leaves]
            self._recordings[key] = self._record(inputs, form)
            if len(self._recordings) > MOST_RECORDINGS:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(key)
        return (self._recordings[key](leaves, rows),)

    def _record(self, inputs: list[Any], form: Any) -> Recording:
        own = [one.clone() if isinstance(one, Tensor) else one for one in inputs]
        args, kwargs = pytree.tree_unflatten(own, form)

        def call() -> Tensor:
            with self._as_recorded():
                return self.network(*args, **kwargs)[0]

        if self._pool is None:
            output = call()
            return Recording(own, output, lambda: output.copy_(call()))
        torch.cuda.synchronize()
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            call()  # libraries choose their kernels and fetch their memory before a recording
        side.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Outputs are cloned at once and passes come one by one, so all may share one memory.
        with torch.cuda.graph(graph, pool=self._pool, stream=side):
            output = call()
        return Recording(own, output, graph.replay)

    @contextlib.contextmanager
    def _as_recorded(self) -> Iterator[None]:
        if not self._fused:
            yield
            return
        self.network.set_attn_processor(dict(self._fused))
        try:
            yield
        finally:
            self.network.set_attn_processor(dict(self._plain))


def install(family: Family) -> None:
    """Lay the weights out for a GPU's convolutions and have the denoiser recorded."""
    for module in (family.network, family.vae):
        module.to(memory_format=torch.channels_last)
    family.denoiser = Recorded(family.network)


def _processors(network: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Attention as it is, and with its projections fused; nothing where that cannot be undone."""
    if not isinstance(network, UNet2DConditionModel | SD3Transformer2DModel):
        return {}, {}
    plain = network.attn_processors
    with torch.no_grad():
        network.fuse_qkv_projections()
    fused = network.attn_processors
    network.set_attn_processor(dict(plain))
    return plain, fused


def _tensors(leaves: list[Any]) -> list[Tensor]:
    return [one for one in leaves if isinstance(one, Tensor)]


def _has_rows(one: Any, shared: set[int]) -> bool:
    return isinstance(one, Tensor) and id(one) not in shared


def _stretched(one: Tensor, rows: int) -> Tensor:
    return torch.cat([one, one[-1:].expand(rows - len(one), *one.shape[1:])])
