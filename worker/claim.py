"""How much it matters that a job is served next: little work left, long waiting, a deadline near.

Numbers only; lower ranks are served first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.jobs.spec import Priority

WEIGHTS: Mapping[Priority, float] = {Priority.HIGH: 4.0, Priority.NORMAL: 1.0, Priority.LOW: 0.25}
# A second of waiting outweighs so many seconds of work: a job that has waited ten times the work it
# has left goes before every newcomer, so that short jobs overtake and none starves.
AGEING = 0.1
MOST_HASTE = 100.0


@dataclass(slots=True)
class Claim:
    """What a job asks of the device.

    Attributes:
        admitted_at: When it came into the engine (s, of the engine's clock).
        weight: A job of twice the weight counts as having half the work left.
        deadline_at: When it must have ended, by the same clock.
        work: Rows to be evaluated over all its images, in rows of the native size.
        work_left: What of that is still to be done.
        owner: Whose it is: owners share the device, whatever the urgency of their jobs.
    """

    admitted_at: float
    weight: float = 1.0
    deadline_at: float | None = None
    work: float = 0.0
    work_left: float = 0.0
    owner: str = ""

    def add(self, work: float) -> None:
        """Ask for more."""
        self.work += work
        self.work_left += work

    def rank(self, now: float, row_s: float) -> float:
        """Shortest remaining work first, with ageing; `row_s` is what a row costs (s)."""
        left_s = self.work_left * row_s
        waited_s = now - self.admitted_at
        return left_s / (self.weight * self._haste(now, left_s)) - AGEING * waited_s

    def _haste(self, now: float, left_s: float) -> float:
        """Grows as the deadline leaves less time than the work takes twice over."""
        if self.deadline_at is None:
            return 1.0
        slack_s = self.deadline_at - now - left_s
        if slack_s <= 0:  # too late: it must not hold up those who can make it
            return 1.0
        return min(MOST_HASTE, max(1.0, left_s / slack_s))
