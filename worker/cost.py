"""What a forward pass costs by its rows: measured once, asked at every step. No tensors."""

import bisect
import time
from collections.abc import Callable, Mapping

ENOUGH = 1.1  # times the least cost of a row; more rows than that only make the others wait
LONGEST_PASS_S = 3.0  # start-up measures no larger pass once one has taken so long
MOST_ROUNDS, PATIENCE_S = 8, 2.0  # of that; after so long two rounds must do


class CostCurve:
    """Seconds of a forward pass by its number of rows: straight lines between what was measured."""

    def __init__(self, measured: Mapping[int, float]) -> None:
        """`measured`: seconds by rows; a pass of more rows is taken to be no cheaper."""
        self._rows = sorted(measured)
        self._seconds: list[float] = []
        for rows in self._rows:
            so_far = self._seconds[-1] if self._seconds else 0.0
            self._seconds.append(max(so_far, measured[rows]))
        if not self._rows or self._rows[0] < 1 or self._seconds[0] <= 0:
            raise ValueError(f"no cost curve: {dict(measured)}")
        self._knees: dict[tuple[int, float], int] = {}

    def seconds(self, rows: float) -> float:
        """The cost of one pass; beyond the last measured size in proportion to the rows."""
        if rows <= self._rows[0]:
            return self._seconds[0]
        if rows >= self._rows[-1]:
            return self._seconds[-1] * rows / self._rows[-1]
        right = bisect.bisect_left(self._rows, rows)
        left_rows, right_rows = self._rows[right - 1], self._rows[right]
        share = (rows - left_rows) / (right_rows - left_rows)
        return self._seconds[right - 1] * (1 - share) + self._seconds[right] * share

    def knee(self, max_rows: int, size: float = 1.0) -> int:
        """The fewest rows of `size` times the measured latents at which a row is nearly cheapest.

        Rounded up to an even number, since guided images come in pairs of rows.
        """
        if (max_rows, size) not in self._knees:
            costs = [self.seconds(rows * size) / rows for rows in range(1, max_rows + 1)]
            enough = ENOUGH * min(costs)
            knee = next(rows for rows, cost in enumerate(costs, 1) if cost <= enough)
            self._knees[max_rows, size] = min(max_rows, knee + knee % 2)
        return self._knees[max_rows, size]


FREE = CostCurve({1: 1.0, 256: 1.0})  # nothing is known yet: as many rows as there may be


def measure(
    run: Callable[[int], object], max_rows: int, clock: Callable[[], float] = time.perf_counter
) -> CostCurve:
    """Time `run(rows)` for 1, 2, 4, … rows, in rounds: the least of each after one that warms up.

    What else the machine does comes in bursts, and spoils a round sooner than all rounds of a size.
    """
    began = clock()
    sizes = [1 << power for power in range(max_rows.bit_length())]
    measured: dict[int, float] = {}
    for number in range(MOST_ROUNDS + 1):
        for rows in tuple(sizes):
            start = clock()
            run(rows)
            seconds = clock() - start
            if number:
                measured[rows] = max(min(seconds, measured.get(rows, seconds)), 1e-9)
            elif seconds > LONGEST_PASS_S:
                sizes = [size for size in sizes if size <= rows]
                break
        if number > 1 and clock() - began > PATIENCE_S:
            break
    return CostCurve(measured)
