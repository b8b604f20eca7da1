"""RQ as the front end sees it: which queue a job waits in, and what RQ must be told.

RQ delivers; our record is the truth. An RQ job of ours carries its id and nothing else, so that
no payload is ever unpacked into code. Beside it only the worker knows RQ.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job as RqJob
from rq.job import JobStatus as RqStatus
from rq.serializers import JSONSerializer
from rq.utils import now

from app.jobs import keys
from app.jobs.job import Job
from app.jobs.spec import GenerationSpec, Priority

FUNCTION = "worker.generate"  # a name on the worker's allow-list; nobody ever imports it
MAX_ATTEMPTS = 4  # one try and three more after a lost worker
RESULT_TTL_S = 600  # RQ's own bookkeeping, for `rq info`; ours is the record
# Seconds that a job waits for more urgent ones of its owner: a low one of half an hour ago goes
# before a high one of now, so that none starves.
PATIENCE_S = {Priority.HIGH: 0.0, Priority.NORMAL: 300.0, Priority.LOW: 1_800.0}
REGISTERED = Queue.redis_queues_keys


@dataclass(frozen=True)
class Delivery:
    """What the admission script writes for RQ: a job's hash, and the queue to push it to.

    `recorded` is what the dequeue script must find in our own record.
    """

    job_key: str
    queue_key: str
    fields: dict[str, Any]
    recorded: dict[str, str]


def queue_name(model: str, priority: Priority) -> str:
    return f"{priority.value}:{model}"


def due(created: float, priority: Priority) -> float:
    """A job's place among its owner's, as seconds since 1970."""
    return created + PATIENCE_S[priority]


def queue_names(models: Iterable[str]) -> list[str]:
    """All queues of these models, the most urgent first."""
    models = list(models)
    return [queue_name(model, priority) for priority in Priority for model in models]


class JobQueues:
    """The queues of all models, by RQ's names."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._place = redis.register_script(files("app.jobs").joinpath("place.lua").read_text())

    def queue(self, name: str) -> Queue:
        return Queue(name, connection=self._redis, serializer=JSONSerializer)

    def keys(self, models: Iterable[str]) -> list[str]:
        return [self.queue(name).key for name in queue_names(models)]

    def delivery(self, job_id: str, spec: GenerationSpec, attempts: int = 0) -> Delivery:
        """RQ's side of a job that waits: attempts bounded, at the front when a worker is lost."""
        left = max(0, MAX_ATTEMPTS - 1 - attempts)
        queue = self.queue(queue_name(spec.model, spec.priority))
        job = queue.create_job(
            FUNCTION,
            job_id=job_id,
            timeout=-1,
            result_ttl=RESULT_TTL_S,
            failure_ttl=RESULT_TTL_S,
            retry=Retry(max=left, enqueue_at_front=True) if left else None,
            status=RqStatus.QUEUED,
        )
        job.enqueued_at = now()
        recorded = {"queue": queue.key, "cost": repr(spec.megapixel_steps)}
        return Delivery(job.key, queue.key, job.to_dict(), recorded)

    def position(self, job: Job) -> int | None:
        """Jobs that will be taken before this one; None once it has left the queue."""
        model, own = job.spec.model, self._list_of(job)
        others = [key for key in self.keys([model]) if key != own]
        found = self._place(
            keys=[
                keys.line(job.owner, model),
                keys.waiting(model),
                keys.turns(model),
                own,
                *others,
            ],
            args=[job.id, job.owner, model, keys.LINES, keys.RECORDS],
        )
        return cast(int | None, found)

    def _list_of(self, job: Job) -> str:
        return self.queue(queue_name(job.spec.model, job.spec.priority)).key

    def heads(self, model: str) -> dict[Priority, tuple[int, str | None]]:
        """By priority how many jobs wait, and the id of the eldest."""
        with self._redis.pipeline(transaction=False) as pipe:
            for priority in Priority:
                key = self.queue(queue_name(model, priority)).key
                pipe.llen(key)
                pipe.lindex(key, 0)
            found = pipe.execute()
        heads = [
            (length, head and head.decode())
            for length, head in zip(*[iter(found)] * 2, strict=True)
        ]
        return dict(zip(Priority, heads, strict=True))

    def waiting(self, models: Iterable[str]) -> int:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in self.keys(models):
                pipe.llen(key)
            return sum(cast(list[int], pipe.execute()))

    def executing(self, models: Iterable[str]) -> int:
        with self._redis.pipeline(transaction=False) as pipe:
            for name in queue_names(models):
                pipe.zcard(self.queue(name).started_job_registry.key)
            return sum(cast(list[int], pipe.execute()))

    def has_given_up(self, job_id: str) -> bool:
        """Whether RQ counts the job among those that have failed."""
        status = cast(bytes | None, self._redis.hget(RqJob.key_for(job_id), "status"))
        return status == RqStatus.FAILED.value.encode()

    def put_back(self, job: Job) -> None:
        """Have RQ deliver a job that it has lost, before all others."""
        delivery = self.delivery(job.id, job.spec, job.attempts)
        with self._redis.pipeline() as pipe:
            pipe.hset(delivery.job_key, mapping=cast(Any, delivery.fields))
            pipe.sadd(REGISTERED, delivery.queue_key)
            pipe.zrem(keys.line(job.owner, job.spec.model), job.id)
            pipe.lpush(delivery.queue_key, job.id)
            pipe.rpush(keys.doorbell(job.spec.model), job.id)
            pipe.execute()

    def withdraw(self, job: Job) -> None:
        """Take a job out of its queue for good."""
        with self._redis.pipeline() as pipe:
            pipe.lrem(self._list_of(job), 0, job.id)
            pipe.zrem(keys.line(job.owner, job.spec.model), job.id)
            pipe.delete(RqJob.key_for(job.id))
            pipe.execute()

    def stop(self, job_id: str) -> None:
        """Ask the worker that runs the job to drop it; silent if none does."""
        try:
            send_stop_job_command(self._redis, job_id, serializer=JSONSerializer)
        except (InvalidJobOperation, NoSuchJobError, ResponseError):
            return
