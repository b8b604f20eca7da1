"""Jobs that our records hold open and RQ has lost: put back, or ended when no attempt is left.

No script of ours makes one. RQ's tools can (`rq empty`), and so can a Redis that came back without
its last second. Whoever runs this holds the lock of recovery.
"""

import logging
from collections.abc import Iterable
from typing import cast

from redis import Redis

from app.jobs.job import FailureCode, Job
from app.jobs.queues import JobQueues, queue_name
from app.jobs.store import JobStore

log = logging.getLogger(__name__)

LOST = "The worker was lost on every attempt."


class Reconciler:
    """Compares the two each time it looks; only what is amiss twice in a row is mended."""

    def __init__(self, redis: Redis, store: JobStore, queues: JobQueues) -> None:
        self._redis = redis
        self._store = store
        self._queues = queues
        self._missed: set[str] = set()

    def look(self) -> None:
        """Mend what was amiss at the last look and still is."""
        jobs = list(self._store.open_jobs())
        known = self._known_to_rq(jobs)
        missing = [job for job in jobs if job.id not in known]
        for job in missing:
            if job.id in self._missed:
                self._mend(job)
        self._missed = {job.id for job in missing} - self._missed

    def _known_to_rq(self, jobs: Iterable[Job]) -> set[str]:
        """Ids that wait, are between queue and worker, or are being run."""
        names = {queue_name(job.spec.model, job.spec.priority) for job in jobs}
        queues = [self._queues.queue(name) for name in names]
        with self._redis.pipeline() as pipe:
            for queue in queues:
                pipe.lrange(queue.key, 0, -1)
                pipe.lrange(queue.intermediate_queue_key, 0, -1)
                pipe.zrange(queue.started_job_registry.key, 0, -1)
            found = cast(list[list[bytes]], pipe.execute())
        # A run is listed as `{job}:{execution}`.
        return {entry.decode().partition(":")[0] for entries in found for entry in entries}

    def _mend(self, job: Job) -> None:
        if self._queues.has_given_up(job.id):
            log.warning("job.lost id=%s", job.id)
            self._store.failed(job.id, "", FailureCode.WORKER_LOST, LOST)
            self._queues.withdraw(job)
        else:
            log.warning("job.put_back id=%s status=%s", job.id, job.status)
            self._queues.put_back(job)
