"""The door: one atomic script takes a job in, replays it, or refuses it whole."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Self, cast

from pydantic import BaseModel
from redis import Redis

from app.jobs import keys
from app.jobs.job import Job
from app.jobs.queues import REGISTERED, JobQueues, due
from app.jobs.quota import Balance, Quota


class Verdict(StrEnum):
    """What the script said."""

    ACCEPTED = "accepted"
    REPLAY = "replay"  # this Idempotency-Key and body made a job before: here it is again
    MISMATCH = "mismatch"  # this Idempotency-Key came with another body
    FULL = "full"  # as many jobs wait as may
    BUSY = "busy"  # the owner has as many open jobs as one may have
    LIMITED = "limited"  # the owner has spent a quota


@dataclass(frozen=True)
class Admission:
    """The door's answer.

    Attributes:
        job_id: The job that was made, now or before; empty after a refusal.
        waiting: Jobs that wait, if the queue is full; the owner's open ones, if those are too many.
        retry_after_s: Seconds until the quota allows this job, if it was spent.
        balances: What is left of each quota; empty after a replay, which costs nothing.
    """

    verdict: Verdict
    job_id: str = ""
    waiting: int = 0
    retry_after_s: int = 0
    balances: tuple[Balance, ...] = ()


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's own name for a submission, and the fingerprint of what came with it."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str | None, sent: BaseModel) -> Self | None:
        """None without a key. What was sent decides, not what was drawn or filled in for it."""
        if key is None:
            return None
        body = json.dumps(sent.model_dump(mode="json", exclude_unset=True), sort_keys=True)
        return cls(key, hashlib.sha256(body.encode()).hexdigest())

    @property
    def digest(self) -> str:
        """The key, fit for a Redis key whatever the client put into it."""
        return hashlib.sha256(self.key.encode()).hexdigest()


class Door:
    """Admits jobs to the queues of all `models` together, at most `max_queue` waiting.

    Of one owner's, `max_jobs` may be open at a time, and what `quotas` say within theirs.
    """

    def __init__(
        self,
        redis: Redis,
        queues: JobQueues,
        max_queue: int,
        max_jobs: int | None = None,
        quotas: Sequence[Quota] = (),
    ) -> None:
        self._queues = queues
        self._max_queue = max_queue
        self._max_jobs = max_jobs
        self.quotas = list(quotas)
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
                *(quota.key(job.owner) for quota in self.quotas),
            ],
            args=[
                json.dumps(self._terms(job, idempotency, models)),
                len(record),
                *record,
                *_flat(delivery.fields),
            ],
        )
        verdict, detail, *left = (part.decode() for part in cast(list[bytes], answer))
        balances = tuple(
            Balance(quota, float(amount), int(reset_s))
            for quota, amount, reset_s in zip(self.quotas, left[::2], left[1::2], strict=False)
        )
        match Verdict(verdict):
            case Verdict.ACCEPTED:
                return Admission(Verdict.ACCEPTED, job_id=job.id, balances=balances)
            case Verdict.REPLAY | Verdict.MISMATCH as known:
                return Admission(known, job_id=detail)
            case Verdict.LIMITED:
                seconds = int(detail)
                return Admission(Verdict.LIMITED, retry_after_s=seconds, balances=balances)
            case Verdict.BUSY | Verdict.FULL as refused:
                return Admission(refused, waiting=int(detail), balances=balances)

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
            "max_jobs": self._max_jobs or 0,
            "quotas": [
                {"limit": q.limit, "window_s": q.window_s, "cost": q.cost(job.spec)}
                for q in self.quotas
            ],
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
