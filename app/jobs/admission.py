"""The door: one atomic script takes a job in, replays it, or refuses it whole."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, cast

from redis import Redis

from app.jobs import keys
from app.jobs.job import Job
from app.jobs.queues import REGISTERED, JobQueues, due


class Verdict(StrEnum):
    """What the script said."""

    ACCEPTED = "accepted"
    REPLAY = "replay"  # this Idempotency-Key and body made a job before: here it is again
    MISMATCH = "mismatch"  # this Idempotency-Key came with another body
    FULL = "full"  # as many jobs wait as may


@dataclass(frozen=True)
class Admission:
    """The door's answer. `job_id` is set unless the queue is full; `waiting` if it is."""

    verdict: Verdict
    job_id: str = ""
    waiting: int = 0


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's own name for a submission, and the fingerprint of what came with it."""

    key: str
    fingerprint: str

    @property
    def digest(self) -> str:
        """The key, fit for a Redis key whatever the client put into it."""
        return hashlib.sha256(self.key.encode()).hexdigest()


class Door:
    """Admits jobs to the queues of all `models` together, at most `max_queue` waiting."""

    def __init__(self, redis: Redis, queues: JobQueues, max_queue: int) -> None:
        self._queues = queues
        self._max_queue = max_queue
        script = files("app.jobs").joinpath("admission.lua").read_text()
        self._script = redis.register_script(script)

    def admit(
        self, job: Job, idempotency: IdempotencyKey | None, models: Sequence[str]
    ) -> Admission:
        """Write the job and queue it, or say why not. Safe to repeat with the same job."""
        delivery = self._queues.delivery(job.id, job.spec)
        record = _flat({**job.to_record(), **delivery.recorded})
        digest = idempotency.digest if idempotency else ""
        answer = self._script(
            keys=[
                keys.record(job.id),
                keys.events(job.id),
                keys.owned(job.owner),
                keys.idempotency(job.owner, digest),
                keys.DEADLINES,
                delivery.job_key,
                REGISTERED,
                keys.doorbell(job.spec.model),
                delivery.queue_key,
                keys.open_jobs(job.owner),
                keys.line(job.owner, job.spec.model),
                keys.waiting(job.spec.model),
                keys.turns(job.spec.model),
            ],
            args=[
                json.dumps(self._terms(job, idempotency, models)),
                len(record),
                *record,
                *_flat(delivery.fields),
            ],
        )
        verdict, detail = (part.decode() for part in cast(list[bytes], answer))
        if verdict == Verdict.FULL:
            return Admission(Verdict.FULL, waiting=int(detail))
        replayed = verdict != Verdict.ACCEPTED
        return Admission(Verdict(verdict), job_id=detail if replayed else job.id)

    def _terms(
        self, job: Job, idempotency: IdempotencyKey | None, models: Sequence[str]
    ) -> dict[str, Any]:
        created, models = job.created_at.timestamp(), models or [job.spec.model]
        return {
            "id": job.id,
            "owner": job.owner,
            "fingerprint": idempotency.fingerprint if idempotency else "",
            "idempotency_ttl_s": keys.IDEMPOTENCY_TTL_S,
            "max_queue": self._max_queue,
            # Lua would round a number on its way through JSON.
            "created": repr(created),
            "due": repr(due(created, job.spec.priority)),
            "deadline": repr(created + job.spec.deadline_s) if job.spec.deadline_s else "",
            "events_maxlen": keys.EVENTS_MAXLEN,
            "queues": self._queues.keys(models),
            "lines": [keys.line(job.owner, model) for model in models],
            "waiting": [keys.waiting(model) for model in models],
        }


def _flat(fields: dict[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
