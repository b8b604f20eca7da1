"""Which generations share the next forward pass. Counts and keys, no tensors.

First come, first served within a batch key; keys take turns, one forward pass each.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Batchable(Protocol):
    """Whatever may share a forward pass with others of an equal key."""

    @property
    def batch_key(self) -> Hashable: ...


G = TypeVar("G", bound=Batchable)


class Batcher(Generic[G]):
    """The generations in the engine, one lane a batch key, in order of arrival."""

    def __init__(self, max_batch_size: int) -> None:
        if max_batch_size < 1:
            raise ValueError(f"max_batch_size must be at least 1, not {max_batch_size}")
        self.max_batch_size = max_batch_size
        self._lanes: OrderedDict[Hashable, list[G]] = OrderedDict()
        self._limits: dict[Hashable, int] = {}

    def add(self, generation: G) -> None:
        self._lanes.setdefault(generation.batch_key, []).append(generation)

    def remove(self, generation: G) -> None:
        lane = self._lanes[generation.batch_key]
        lane.remove(generation)
        if not lane:
            del self._lanes[generation.batch_key]

    def next_batch(self) -> list[G]:
        """The eldest of the lane whose turn it is; empty if there is none."""
        if not self._lanes:
            return []
        key = next(iter(self._lanes))
        self._lanes.move_to_end(key)
        return self._lanes[key][: self._limits.get(key, self.max_batch_size)]

    def limit(self, key: Hashable, batch_size: int) -> None:
        """From now on no more than this many of that key at once: more did not fit the device."""
        self._limits[key] = batch_size
