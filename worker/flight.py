"""One job in this worker's hands, from its taking to its outcome."""

import time
from dataclasses import dataclass, field
from enum import StrEnum, auto

from app.jobs.job import FailureCode, Job, StoredImage
from worker.rq_bookkeeping import Running

PROGRESS_EVERY_S = 0.2  # the contract's five a second


class Ending(StrEnum):
    FAILED = auto()
    CANCELED = auto()


@dataclass(frozen=True)
class Outcome:
    """How a job ended other than well."""

    ending: Ending
    code: FailureCode = FailureCode.GENERATION_FAILED
    message: str = ""
    error: BaseException | None = None


@dataclass
class Flight:
    """The state of one job in flight.

    Attributes:
        unpublished: Pictures stored whose events are still to be written.
        indices: Indices of the pictures whose events are written.
        step: Progress that was published last.
        next_step: Progress that waits to be published.
        engine_s: Set once the engine is done with the job.
        outcome: Set once, for every ending but success.
    """

    job: Job
    running: Running
    unpublished: list[StoredImage] = field(default_factory=list[StoredImage])
    indices: set[int] = field(default_factory=set[int])
    step: int = 0
    next_step: int = 0
    told_at: float = 0.0
    engine_s: float | None = None
    outcome: Outcome | None = None

    @property
    def lease(self) -> str:
        return self.running.lease

    @property
    def has_all_images(self) -> bool:
        """Every picture is stored and told."""
        return len(self.indices) == self.job.spec.num_images

    @property
    def is_overdue(self) -> bool:
        limit = self.job.spec.deadline_s
        return limit is not None and time.time() > self.job.created_at.timestamp() + limit

    def end(self, outcome: Outcome) -> None:
        """The first outcome stands."""
        self.outcome = self.outcome or outcome

    def takes_progress(self, at: float) -> bool:
        """Whether there is progress that may be told now; the last step always may."""
        if self.next_step <= self.step:
            return False
        is_last = self.next_step == self.job.total_steps
        return is_last or at - self.told_at >= PROGRESS_EVERY_S
