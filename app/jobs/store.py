"""The record of every job, and the only writer of it after admission.

Each change is one script: it checks that the job may still change and that the caller holds its
lease, sets the fields and appends the event, all or nothing. A result that comes from a worker
which has lost its lease is therefore never seen.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from typing import Any, cast

from pydantic import ValidationError
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from app.jobs import keys
from app.jobs.job import FailureCode, Job, JobStatus, StoredImage, now
from app.jobs.previews import Previews
from app.jobs.queues import JobQueues
from app.jobs.tally import Tally
from app.jobs.webhook import WebhookEvent, delivery_id

QUEUED = JobStatus.QUEUED.value
PROCESSING = JobStatus.PROCESSING.value
IS_OPEN = f"{QUEUED} {PROCESSING}"
PAGE = 200  # ids read at once while a listing looks for jobs of one status


@dataclass(frozen=True)
class Progress:
    """How far a job is: denoising steps done, of how many; previews by the image's index."""

    job_id: str
    lease: str
    step: int
    total_steps: int
    previews: Mapping[int, str] = field(default_factory=dict[int, str])


class JobStore:
    """Jobs by id. `job_ttl_s`: seconds that a job is kept after it has ended."""

    def __init__(self, redis: Redis, queues: JobQueues, job_ttl_s: int) -> None:
        self._redis = redis
        self._queues = queues
        self._previews = Previews(redis)
        self._tally = Tally(redis)
        self._job_ttl_s = job_ttl_s
        script = files("app.jobs").joinpath("transition.lua").read_text()
        self._transition = redis.register_script(script)

    # -- reading --

    def get(self, job_id: str) -> Job | None:
        return self.get_many([job_id])[0]

    def get_many(self, job_ids: list[str]) -> list[Job | None]:
        """The records in the order asked for; None where there is none (any more)."""
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(keys.record(job_id))
            found = cast(list[dict[bytes, bytes]], pipe.execute())
        return [_read(fields) for fields in found]

    def newest(
        self, owner: str, status: JobStatus | None, limit: int, before: float | None
    ) -> list[Job]:
        """An owner's jobs, newest first, submitted before the time `before` (seconds)."""
        key, jobs = keys.owned(owner), list[Job]()
        upper: float | str = "+inf" if before is None else f"({before!r}"
        while len(jobs) < limit:
            page = self._redis.zrevrangebyscore(key, upper, "-inf", 0, PAGE, withscores=True)
            entries = cast(list[tuple[bytes, float]], page)
            if not entries:
                break
            found = self.get_many([entry.decode() for entry, _ in entries])
            if gone := [entry for (entry, _), job in zip(entries, found, strict=True) if not job]:
                self._redis.zrem(key, *gone)
            jobs += [job for job in found if job and status in (None, job.status)]
            upper = f"({entries[-1][1]!r}"
        return jobs[:limit]

    def open_jobs_of(self, owner: str) -> list[Job]:
        """An owner's jobs that have not ended, in no order."""
        ids = cast(set[bytes], self._redis.smembers(keys.open_jobs(owner)))
        found = self.get_many([job_id.decode() for job_id in ids])
        return [job for job in found if job and not job.status.is_terminal]

    def overdue(self) -> list[Job]:
        """Open jobs whose deadline has passed."""
        found = self._redis.zrangebyscore(keys.DEADLINES, "-inf", now().timestamp(), 0, PAGE)
        return self._readable(cast(list[bytes], found))

    def open_jobs(self) -> Iterator[Job]:
        """Every job that has not ended, in no order; ids that stand for none are struck off."""
        for key in self._redis.scan_iter(f"{keys.OPEN}:*"):
            ids = list(cast(set[bytes], self._redis.smembers(key)))
            for page in (ids[start : start + PAGE] for start in range(0, len(ids), PAGE)):
                with self._redis.pipeline(transaction=False) as pipe:
                    for job_id in page:
                        pipe.hget(keys.record(job_id.decode()), "status")
                    said = cast(list[bytes | None], pipe.execute())
                is_open = [(status or b"").decode() in (QUEUED, PROCESSING) for status in said]
                if gone := [one for one, stays in zip(page, is_open, strict=True) if not stays]:
                    cast(Any, self._redis).srem(key, *gone)
                yield from self._readable(set(page) - set(gone))

    def _readable(self, ids: Iterable[bytes]) -> list[Job]:
        """The records of these; those of another version are left to whoever wrote them."""
        found: list[Job | None] = []
        for job_id in ids:
            with contextlib.suppress(ValidationError):
                found.append(self.get(job_id.decode()))
        return [job for job in found if job]

    # -- what a client may do --

    def cancel(self, job: Job) -> None:
        """End a queued job at once; ask for the end of one that is being processed."""
        if self._finish(job.id, QUEUED, "", JobStatus.CANCELED, {}):
            self._queues.withdraw(job)
        elif self._change(job.id, PROCESSING, "", "", {"is_cancel_requested": "1"}):
            self._queues.stop(job.id)

    def erase(self, job: Job) -> None:
        """Forget the job: record, events, deliveries, its place in the queue and the owner's list.

        An open job ends first, so that whoever follows or draws it hears of it.
        """
        if self._finish(job.id, IS_OPEN, "", JobStatus.CANCELED, {}):
            self._queues.stop(job.id)
        self._queues.withdraw(job)
        with self._redis.pipeline() as pipe:
            pipe.delete(keys.record(job.id), keys.events(job.id), keys.previews(job.id))
            pipe.delete(*(keys.delivery(delivery_id(job.id, event)) for event in WebhookEvent))
            pipe.zrem(keys.owned(job.owner), job.id)
            pipe.zrem(keys.DEADLINES, job.id)
            pipe.execute()

    # -- what the holder of a lease may do --

    def started(self, job: Job, lease: str) -> bool:
        """Give the job to the execution named `lease`; False if it has ended meanwhile."""
        fields = {"status": PROCESSING, "lease": lease, "attempts": str(job.attempts + 1)}
        if job.started_at is None:
            fields["started_at"] = now().isoformat()
        return self._change(job.id, IS_OPEN, "", PROCESSING, fields)

    def warned(self, job: Job, lease: str, warnings: Sequence[str]) -> bool:
        """Say what of the wish is not heeded; shown with the job, no event of its own."""
        both = list(dict.fromkeys([*job.warnings, *warnings]))  # the intake may have said some
        return self._change(job.id, PROCESSING, lease, "", {"warnings": json.dumps(both)})

    def progressed(self, updates: Iterable[Progress]) -> set[str]:
        """Publish the progress of many jobs in one round trip.

        Returns the ids of those whose previews somebody wishes to see.
        """
        updates = list(updates)
        with self._redis.pipeline(transaction=False) as pipe:
            for update in updates:
                data = {
                    "step": update.step,
                    "total_steps": update.total_steps,
                    "fraction": round(update.step / update.total_steps, 4),
                }
                self._change(
                    update.job_id,
                    PROCESSING,
                    update.lease,
                    "progress",
                    {"step": str(update.step)},
                    data=json.dumps(data),
                    pipe=pipe,
                )
            for update in updates:
                self._previews.publish(update.job_id, update.lease, update.previews, pipe)
            watched = pipe.execute()[len(updates) :]
        return {update.job_id for update, wish in zip(updates, watched, strict=True) if wish}

    def image_stored(self, job_id: str, lease: str, image: StoredImage) -> bool:
        """Add one finished picture, which lies in the image store already."""
        value = image.model_dump_json()
        fields = {f"image:{image.index}": value}
        return self._change(job_id, PROCESSING, lease, "image", fields, data=value)

    def succeeded(self, job: Job, lease: str, engine_s: float, engine: str = "") -> bool:
        """End the job well; `engine` names what drew it: runtime, version and mode."""
        fields = {"step": str(job.total_steps), "engine_s": f"{engine_s:.6f}"}
        if engine:
            fields["engine"] = engine
        return self._finish(job.id, PROCESSING, lease, JobStatus.SUCCEEDED, fields)

    def expired(self, job: Job) -> bool:
        """Fail a job whose deadline passed before any worker took it."""
        message = "The deadline passed while the job was waiting."
        error = {"error": _error(FailureCode.DEADLINE_EXCEEDED, message)}
        is_expired = self._finish(job.id, QUEUED, "", JobStatus.FAILED, error)
        if is_expired:
            self._queues.withdraw(job)
        return is_expired

    def failed(self, job_id: str, lease: str, code: FailureCode, message: str) -> bool:
        """End the job with an error; without a lease only whoever recovers jobs may call this."""
        error = {"error": _error(code, message)}
        return self._finish(job_id, IS_OPEN, lease, JobStatus.FAILED, error)

    def canceled(self, job_id: str, lease: str) -> bool:
        return self._finish(job_id, IS_OPEN, lease, JobStatus.CANCELED, {})

    # -- the one way to write --

    def _finish(
        self, job_id: str, allowed: str, lease: str, status: JobStatus, fields: dict[str, str]
    ) -> bool:
        fields = {**fields, "status": status.value, "finished_at": now().isoformat()}
        has_ended = self._change(
            job_id, allowed, lease, status.value, fields, ttl_s=self._job_ttl_s
        )
        if has_ended:
            self._count(job_id)
        return has_ended

    def _count(self, job_id: str) -> None:
        with contextlib.suppress(RedisError, ValidationError):  # a figure is not worth an error
            if job := self.get(job_id):
                self._tally.ended(job)

    def _change(
        self,
        job_id: str,
        allowed: str,
        lease: str,
        event: str,
        fields: dict[str, str],
        *,
        data: str = "",
        ttl_s: int | None = None,
        pipe: Pipeline | None = None,
    ) -> bool:
        before: Any = self._transition(
            keys=[
                keys.record(job_id),
                keys.events(job_id),
                keys.DEADLINES,
                keys.WEBHOOKS_DUE,
                keys.delivery(f"{job_id}-{event}"),
                keys.OPEN,
            ],
            args=[
                allowed,
                lease,
                event,
                data,
                keys.EVENTS_MAXLEN,
                ttl_s or "",
                *(part for pair in fields.items() for part in pair),
            ],
            client=pipe,
        )
        return before is not None


def _read(fields: dict[bytes, bytes]) -> Job | None:
    if not fields:
        return None
    return Job.from_record({key.decode(): value.decode() for key, value in fields.items()})


def _error(code: FailureCode, message: str) -> str:
    return json.dumps({"code": code.value, "message": message})


def cursor_of(job: Job) -> str:
    """Where a listing goes on after this job."""
    return repr(job.created_at.timestamp())


def seconds_between(earlier: datetime | None, later: datetime | None) -> float | None:
    """Seconds from one time to another, if both have come."""
    return (later - earlier).total_seconds() if earlier and later else None
