"""Which generations share the next forward pass. Counts, keys and times, no tensors.

The most urgent generation of the owner served least chooses the batch key; the next in the same
order fill the pass up to the number of rows at which a row is nearly cheapest. One that does not
fit is passed over, and so is one with far more to do that would slow the first down too much.
"""

import time
from collections.abc import Callable, Hashable, Iterator
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


MOST_SLOWDOWN = 1.6  # of a pass, by companions that have so many times the first one's work to do:
FAR_MORE = 4.0

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
        self._served: dict[str, float] = {}

    def add(self, generation: G) -> None:
        self._inside.append(generation)

    def remove(self, generation: G) -> None:
        self._inside.remove(generation)

    def next_batch(self) -> list[G]:
        """Those of the next pass, the most urgent first; empty if nobody is inside."""
        if not self._inside:
            return []
        now = self.clock()
        ranked = self._in_turn(
            sorted(self._inside, key=lambda one: one.claim.rank(now, self._row_s))
        )
        first = ranked[0]
        room = most = self._rows_of(first)
        batch: list[G] = []
        for one in ranked:
            fits = one.num_rows <= room and not self._hinders(one, first, most - room)
            if one.batch_key == first.batch_key and (not batch or fits):
                batch.append(one)
                room -= one.num_rows
                self._served[one.claim.owner] += one.num_rows * one.size
        return batch

    def _hinders(self, one: G, first: G, rows: int) -> bool:
        """Whether it has far more to do than `first`, and slows a pass of so many rows too much."""
        if one.claim.work_left < FAR_MORE * first.claim.work:
            return False
        alone_s = self.costs.seconds(first.num_rows * first.size)
        return self.costs.seconds((rows + one.num_rows) * first.size) > MOST_SLOWDOWN * alone_s

    def _in_turn(self, ranked: list[G]) -> list[G]:
        """Each owner's by urgency, the owners by the work that was done for them so far.

        An owner that comes in begins where the least served is, and is forgotten when it leaves.
        """
        lines: dict[str, list[G]] = {}
        for one in ranked:
            lines.setdefault(one.claim.owner, []).append(one)
        known = {owner: self._served[owner] for owner in lines if owner in self._served}
        least = min(known.values(), default=0.0)
        self._served = {owner: known.get(owner, least) for owner in lines}
        if len(lines) == 1:
            return ranked
        turns = [
            (turn, place, one)
            for owner, line in lines.items()
            for place, (turn, one) in enumerate(zip(self._turns(owner, line), line, strict=True))
        ]
        return [one for _, _, one in sorted(turns, key=lambda turn: turn[:2])]

    def _turns(self, owner: str, line: list[G]) -> Iterator[float]:
        """The work that will have been done for the owner when each of its line comes."""
        done = self._served[owner]
        for one in line:
            yield done
            done += one.num_rows * one.size

    def limit(self, key: Hashable, rows: int) -> None:
        """From now on no more than so many rows of that key at once: more did not fit."""
        self._limits[key] = rows

    def _rows_of(self, generation: G) -> int:
        most = self._limits.get(generation.batch_key, self.max_rows)
        return self.costs.knee(min(most, self.max_rows), generation.size)
