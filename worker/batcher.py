"""Which generations share the next forward pass. Counts, keys and times, no tensors.

The most urgent generation chooses the batch key; the next urgent of that key fill the pass up to
the number of rows at which a row is nearly cheapest. One that does not fit is passed over.
"""

import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from worker.claim import Claim
from worker.cost import FREE, CostCurve


class Batchable(Protocol):
    """Whatever may share a forward pass with others of an equal key.

    Attributes:
        num_rows: Rows it has in a pass.
        size: Its latents' size as a multiple of the native one.
        claim: How urgent its job is.
    """

    claim: Claim
    size: float

    @property
    def batch_key(self) -> Hashable: ...

    @property
    def num_rows(self) -> int: ...


G = TypeVar("G", bound=Batchable)


class Batcher(Generic[G]):
    """The generations in the engine, in order of arrival."""

    def __init__(
        self,
        max_batch_size: int,
        costs: CostCurve = FREE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`max_batch_size` counts guided images, which have two rows each."""
        if max_batch_size < 1:
            raise ValueError(f"max_batch_size must be at least 1, not {max_batch_size}")
        self.max_rows = 2 * max_batch_size
        self.costs = costs
        self.clock = clock
        self._row_s = costs.seconds(self.max_rows) / self.max_rows
        self._inside: list[G] = []
        self._limits: dict[Hashable, int] = {}

    def add(self, generation: G) -> None:
        self._inside.append(generation)

    def remove(self, generation: G) -> None:
        self._inside.remove(generation)

    def next_batch(self) -> list[G]:
        """Those of the next pass, the most urgent first; empty if nobody is inside."""
        if not self._inside:
            return []
        now = self.clock()
        ranked = sorted(self._inside, key=lambda one: one.claim.rank(now, self._row_s))
        first = ranked[0]
        room = self._rows_of(first)
        batch: list[G] = []
        for one in ranked:
            if one.batch_key == first.batch_key and (one.num_rows <= room or not batch):
                batch.append(one)
                room -= one.num_rows
        return batch

    def limit(self, key: Hashable, rows: int) -> None:
        """From now on no more than so many rows of that key at once: more did not fit."""
        self._limits[key] = rows

    def _rows_of(self, generation: G) -> int:
        most = self._limits.get(generation.batch_key, self.max_rows)
        return self.costs.knee(min(most, self.max_rows), generation.size)
