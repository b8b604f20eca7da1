"""Whether things that were sampled for a while have grown, told apart from how they waver.

The slope is that of Theil and Sen, the median over all pairs of samples: a restart or a burst
moves it little, where least squares would follow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

Samples = Sequence[tuple[float, dict[str, float]]]  # seconds since the beginning, values by name

SETTLED_S = 300.0  # until then caches fill and the first jobs have not been forgotten
MOST_PAIRS_OF = 400
SHARE = 0.05
FLOORS = {"(MiB)": 4.0, "descriptors": 8.0, "keys": 100.0, "waiting": 100.0}


@dataclass(frozen=True)
class Trend:
    """What became of one thing: medians of the first and the last tenth, slope a minute."""

    name: str
    first: float
    last: float
    slope: float
    minutes: float

    @property
    def allowed(self) -> float:
        """A twentieth of what there was, or what a process may waver by."""
        floor = next(floor for unit, floor in FLOORS.items() if unit in self.name)
        return max(floor, SHARE * self.first)

    @property
    def grows(self) -> bool:
        """Whether the slope comes to more than is allowed in the time that was watched."""
        return self.slope * self.minutes > self.allowed

    def row(self) -> str:
        said = "grows" if self.grows else "no growth"
        figures = f"{self.first:.1f} | {self.last:.1f} | {self.slope:+.3f} | {self.allowed:.1f}"
        return f"| {self.name} | {figures} | {said} |"


HEAD = (
    "| what | at first | at last | slope a minute | may grow by in all | |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def trends(samples: Samples) -> Iterator[Trend]:
    """Of each thing that was sampled, once all has settled."""
    end = samples[-1][0]
    late = [(at, found) for at, found in samples if at >= min(SETTLED_S, end / 2)]
    for name in sorted({name for _, found in late for name in found}):
        yield trend(name, [(at, found[name]) for at, found in late if name in found])


def trend(name: str, points: Sequence[tuple[float, float]]) -> Trend:
    tenth = max(1, len(points) // 10)
    first, last = (median(value for _, value in part) for part in (points[:tenth], points[-tenth:]))
    some = points[:: max(1, len(points) // MOST_PAIRS_OF)]
    slopes = [(w - v) / (b - a) for (a, v), (b, w) in combinations(some, 2) if b > a]
    minutes = (points[-1][0] - points[0][0]) / 60
    return Trend(name, first, last, median(slopes) * 60 if slopes else 0.0, minutes)
