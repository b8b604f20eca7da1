"""One job in this worker's hands, from its taking to its outcome."""

import time
from dataclasses import dataclass, field
from enum import StrEnum, auto

from app.jobs.images import ImagesUnavailable, image_key
from app.jobs.job import FailureCode, Job, StoredImage
from worker.report import NEVER, Times
from worker.rq_bookkeeping import Running
from worker.safety import ContentRejected

PROGRESS_EVERY_S = 0.2  # the contract's five a second
PREVIEW_EVERY_S = 0.5


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

    @property
    def cause(self) -> str:
        """For the log: what was raised, and by whose word; nothing that a client has sent."""
        cause = self.error.__cause__ if self.error else None
        return " from ".join(type(one).__name__ for one in (self.error, cause) if one)


CANCELED = Outcome(Ending.CANCELED)
OVERDUE = Outcome(Ending.FAILED, FailureCode.DEADLINE_EXCEEDED, "The deadline passed.")


def time_left_s(job: Job) -> float | None:
    """Seconds until the job's own deadline, if it has one; negative when it has passed."""
    limit = job.spec.deadline_s
    return None if limit is None else job.created_at.timestamp() + limit - time.time()


def is_overdue(job: Job) -> bool:
    """Whether the job's own deadline has passed."""
    left_s = time_left_s(job)
    return left_s is not None and left_s < 0


def outcome_of(error: Exception) -> Outcome:
    """A failure in words for the client; paths and hosts of ours are for the log."""
    code, message = FailureCode.GENERATION_FAILED, f"{type(error).__name__}: {error}"
    if isinstance(error, ContentRejected):
        code, message = FailureCode.CONTENT_REJECTED, str(error)
    elif isinstance(error, ImagesUnavailable | OSError):
        message = "The picture could not be stored."
    elif isinstance(error, MemoryError) or _names_memory(error):
        code, message = FailureCode.OUT_OF_MEMORY, "The device has not enough memory for this job."
    return Outcome(Ending.FAILED, code, message, error)


def _names_memory(error: Exception) -> bool:
    # CUDA has a class of its own; the CPU allocator raises a plain RuntimeError.
    return "OutOfMemory" in type(error).__name__ or "can't allocate memory" in str(error)


@dataclass
class Flight:
    """The state of one job in flight.

    Attributes:
        is_started: The record says that the job runs here; until then it must not be written to.
        warnings: What the client should know, until it is written.
        unpublished: Pictures stored whose events are still to be written.
        indices: Indices of the pictures whose events are written.
        step: Progress that was published last.
        next_step: Progress that waits to be published.
        engine_s: Set once the engine is done with the job.
        engine: What drew it, set with `engine_s`.
        previews: Data URLs by the image's index, until they are handed on.
        encoded, decoded, stored: When its parts were done, the latter by the image's index.
        outcome: Set once, for every ending but success.
    """

    job: Job
    running: Running
    is_started: bool = False
    warnings: tuple[str, ...] = ()
    unpublished: list[StoredImage] = field(default_factory=list[StoredImage])
    indices: set[int] = field(default_factory=set[int])
    step: int = 0
    next_step: int = 0
    engine_s: float | None = None
    engine: str = ""
    previews: dict[int, str] = field(default_factory=dict[int, str])
    asked_at: float = 0.0
    began_at: float = field(default_factory=time.time)
    encoded: Times = NEVER
    decoded: dict[int, Times] = field(default_factory=dict[int, Times])
    stored: dict[int, Times] = field(default_factory=dict[int, Times])
    outcome: Outcome | None = None

    def __post_init__(self) -> None:
        """Pictures that an earlier attempt has told are not drawn again."""
        self.indices = {image.index for image in self.job.images}

    @property
    def lease(self) -> str:
        return self.running.lease

    @property
    def has_all_images(self) -> bool:
        """Every picture is stored and told."""
        return len(self.indices) == self.job.spec.num_images

    @property
    def keys(self) -> list[str]:
        """Where the pictures lie that are stored by now."""
        told = [image_key(self.job.id, i, self.job.spec.output_format) for i in self.indices]
        return told + [image.key for image in self.unpublished]

    def end(self, outcome: Outcome) -> None:
        """The first outcome stands."""
        self.outcome = self.outcome or outcome

    def takes_progress(self, *, is_due: bool) -> bool:
        """Whether there is progress to be told, when it is due; the last step always may be."""
        if self.next_step <= self.step or self.outcome is not None:
            return False
        return is_due or self.next_step == self.job.total_steps

    def takes_preview(self, at: float) -> bool:
        """Whether one may be asked for now; the last step brings the picture itself."""
        is_last = self.next_step == self.job.total_steps
        return not is_last and at - self.asked_at >= PREVIEW_EVERY_S
