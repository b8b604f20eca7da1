"""An RQ job in our hands. Whatever Redis holds, nothing that it names is imported or run."""

from dataclasses import dataclass

from rq.executions import Execution
from rq.job import Job as RqJob
from rq.queue import Queue

from app.jobs.queues import FUNCTION, MAX_ATTEMPTS


class DeliveredJob(RqJob):
    """RQ's job, less whatever its hash could name for us to import, run or call."""

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, status: str, *, exc_string: str | None = None) -> None:
        """None of ours are RQ's."""


@dataclass(frozen=True)
class Taken:
    """A job off the queue, on its intermediate list."""

    job: RqJob
    queue: Queue

    @property
    def job_id(self) -> str:
        return self.job.id

    @property
    def is_ours(self) -> bool:
        """Whether the payload names what we do; nothing that it names is ever imported."""
        try:
            return self.job.func_name == FUNCTION
        except Exception:  # a payload that cannot be read is not ours either
            return False

    @property
    def is_suspect(self) -> bool:
        """Whether it was there when a worker died: no companion must pay for it a second time."""
        return self.is_ours and (self.job.retries_left or 0) < MAX_ATTEMPTS - 1


@dataclass(frozen=True)
class Running(Taken):
    """A job of which RQ knows that it runs here."""

    execution: Execution

    @property
    def lease(self) -> str:
        """The name of this one execution: whoever holds it may write the job's results."""
        return self.execution.id
