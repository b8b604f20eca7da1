"""Jobs for tests of the worker's own parts."""

from typing import Any
from uuid import uuid4

from redis import Redis

from app.jobs.admission import Door
from app.jobs.job import Job, JobStatus, now
from app.jobs.queues import JobQueues
from tests.worker.drive import a_spec
from worker.rq_bookkeeping import RqBookkeeping

MODEL = "tiny"


def a_job(**changes: Any) -> Job:
    return Job(
        id=uuid4().hex,
        owner="anonymous",
        status=JobStatus.QUEUED,
        spec=a_spec(**{"model": MODEL, **changes}),
        created_at=now(),
    )


def admitted(redis: Redis, **changes: Any) -> Job:
    """A job that waits in its queue."""
    job = a_job(**changes)
    Door(redis, JobQueues(redis), max_queue=100).admit(job, None, [MODEL])
    return job


def a_bookkeeper(redis: Redis, lease_s: int = 15) -> RqBookkeeping:
    """A worker as RQ sees it, registered, without an engine."""
    bookkeeper = RqBookkeeping(f"test-{uuid4().hex}", [MODEL], redis, lease_s, 5.0)
    bookkeeper.register_birth()
    return bookkeeper
