"""What RQ wants to know of a worker that runs many jobs at once.

Written against rq 3.0: `_finalize_success`, `_finalize_failure`, `_stopped_job_id` and
`Queue._enqueue_job` are private there; `tests/worker/test_rq_contract.py` watches them.
"""

import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq.command import handle_command, parse_payload
from rq.exceptions import AbandonedJobError
from rq.job import Job as RqJob
from rq.job import JobStatus as RqStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import BaseWorker, WorkerStatus

from app.jobs import keys
from app.jobs.queues import queue_names
from worker.delivery import DeliveredJob, Running, Taken

RECOVERY_LOCK = f"{keys.PREFIX}:recovery"


class RqBookkeeping(BaseWorker):
    """BaseWorker for many executions at once. Its subclass says what the work is."""

    log_result_lifespan = False

    def __init__(
        self, name: str, models: Sequence[str], redis: Redis, lease_s: int, recover_every_s: float
    ) -> None:
        self.lease_s = lease_s
        self.recover_every_s = recover_every_s
        self.on_stop: Callable[[str], None] = lambda job_id: None
        self.on_lost: Callable[[str], None] = lambda job_id: None
        super().__init__(
            queue_names(models),
            name=name,
            connection=redis,
            serializer=JSONSerializer,
            job_class=DeliveredJob,
            exception_handlers=[self._abandoned],
            log_job_description=False,
        )
        self._models, self._rounds = list(models), 0
        self._dequeue = redis.register_script(files("worker").joinpath("dequeue.lua").read_text())
        self._between: dict[tuple[str, bytes], float] = {}
        self.is_handing_back = False

    # -- what BaseWorker asks --

    @property
    def connection_timeout(self) -> int:
        """RQ's own 415 s would freeze us for as long as Redis is frozen."""
        return 10

    def get_heartbeat_ttl(self, job: RqJob, working_time: float = 0.0) -> int:
        return self.lease_s

    def request_stop(self, signum: int, frame: Any) -> None:
        """Only flags, since no Redis call belongs in a signal handler. Twice: at once."""
        self.is_handing_back = self._stop_requested
        self._stop_requested = True
        self._shutdown_requested_date = now()

    def request_stop_execution(self, execution_id: str) -> None:
        for execution in list(self.executions.values()):
            if execution.id == execution_id:
                self.on_stop(execution.job_id)

    def handle_payload(self, message: Any) -> None:
        """On RQ's pubsub thread: a command that names a job means whichever of ours it is."""
        payload = parse_payload(message)
        if payload["command"] == "stop-job":
            self.on_stop(str(payload["job_id"]))
        else:
            handle_command(self, payload)

    def procline(self, message: str) -> None:
        """Many jobs run at once: none of them is the process's title."""

    # -- taking jobs --

    def wait_for_bell(self, models: Sequence[str], timeout_s: int) -> None:
        """Sleep until a job of these models is submitted, or so long."""
        self.connection.blpop([keys.doorbell(one) for one in models], timeout=timeout_s)

    def having_jobs(self, models: Sequence[str]) -> list[str]:
        """Those of these models that have jobs waiting."""
        with self.connection.pipeline(transaction=False) as pipe:
            for model in models:
                pipe.exists(*(queue.key for queue in self._queues_of([model])))
            found = cast(list[int], pipe.execute())
        return [model for model, has_jobs in zip(models, found, strict=True) if has_jobs]

    def take(self, models: Sequence[str] | None = None) -> Taken | None:
        """The next job of these models or of all; ids of which RQ knows nothing are swept away."""
        models = self._models if models is None else models
        if not models:
            return None
        queues = self._queues_of(models)
        names = [*(queue.key for queue in queues), *(keys.doorbell(one) for one in models)]
        prefixes = [keys.WAITING, keys.TURNS, keys.LINES, keys.RECORDS]
        while found := self._dequeue(
            keys=names, args=[len(queues), self._rounds, *prefixes, *models]
        ):
            self._rounds += 1  # models take turns too
            place, job_id, _ = cast(tuple[int, bytes, int], found)
            queue, job = queues[place - 1], self._read(job_id)
            if job is not None and job.get_status(refresh=False) == RqStatus.QUEUED:
                return Taken(job, queue)
            self.connection.lrem(queue.intermediate_queue_key, 1, cast(Any, job_id))
        return None

    def _queues_of(self, models: Sequence[str]) -> list[Queue]:
        """The most urgent first, as `queue_names` has them."""
        by_name = {queue.name: queue for queue in self.queues}
        return [by_name[name] for name in queue_names(models)]

    def _read(self, job_id: bytes) -> RqJob | None:
        """RQ's job; whoever may write to Redis may have written nonsense."""
        try:
            return DeliveredJob.fetch(job_id.decode(), self.connection, JSONSerializer)
        except (RedisConnectionError, RedisTimeoutError):
            raise
        except Exception as error:
            self.log.warning("swept %r off the queue: %s", job_id, error)
            return None

    def put_back(self, taken: Taken) -> None:
        """The job goes to the head of its queue again, as if it had not been taken."""
        with self.connection.pipeline() as pipe:
            pipe.lrem(taken.queue.intermediate_queue_key, 1, taken.job_id)
            pipe.lpush(taken.queue.key, taken.job_id)
            pipe.execute()

    def begin(self, taken: Taken) -> Running:
        """Tell RQ that the job runs here; from now on it is leased."""
        execution = self.prepare_execution(taken.job)
        self.prepare_job_execution(taken.job, remove_from_intermediate_queue=True)
        taken.job.started_at = now()
        return Running(taken.job, taken.queue, execution)

    def discard(self, taken: Taken) -> None:
        """The job has ended already as far as we know: RQ may forget it."""
        with self.connection.pipeline() as pipe:
            pipe.lrem(taken.queue.intermediate_queue_key, 1, taken.job_id)
            pipe.delete(taken.job.key)
            pipe.execute()

    # -- ending them --

    def finish(self, running: Running) -> None:
        self._finalize_success(running.job, running.queue, running.execution, None)
        self._check_stored(running)

    def fail(self, running: Running, error: BaseException, *, may_retry: bool = False) -> None:
        """Fail the job in RQ's eyes, or have RQ put it back for another attempt."""
        if not may_retry:
            running.job.retries_left = 0
        self._finalize_failure(running.job, running.queue, running.execution, _exc_info(error))
        self._check_stored(running)

    def stop(self, running: Running) -> None:
        self._stopped_job_id = running.job_id
        running.job.ended_at = now()
        self.handle_job_failure(running.job, running.queue, execution=running.execution)
        self._check_stored(running)

    def hand_back(self, running: Running) -> None:
        """Put the job at the head of its queue; no attempt is spent."""
        with self.connection.pipeline() as pipe:
            self.cleanup_execution(running.job, pipe, running.execution)
            running.queue._enqueue_job(running.job, pipeline=pipe, at_front=True)  # pyright: ignore[reportPrivateUsage]
            pipe.execute()
        self.executions.pop(running.lease, None)

    def let_go(self, running: Running) -> None:
        """Forget an execution whose job is somebody else's by now."""
        with self.connection.pipeline() as pipe:
            running.execution.delete(running.job, pipe)
            pipe.execute()
        self.executions.pop(running.lease, None)

    # -- staying alive --

    def holds(self, flights: Sequence[Running]) -> list[bool]:
        """Whether RQ still thinks that each of these jobs runs here."""
        with self.connection.pipeline(transaction=False) as pipe:
            for running in flights:
                pipe.hmget(running.job.key, "status", "worker_name")
                pipe.zscore(running.job.started_job_registry.key, running.execution.composite_key)
            found = pipe.execute()
        mine = [b"started", self.name.encode()]
        return [
            said == mine and lease is not None
            for said, lease in zip(found[::2], found[1::2], strict=True)
        ]

    def prolong(self, running: Running) -> None:
        self.maintain_heartbeats(running.job, running.execution)

    def settle_state(self) -> None:
        self.set_state(WorkerStatus.BUSY if self.executions else WorkerStatus.IDLE)

    def say_alive(self) -> None:
        """Prolong our own registration, or renew it where Redis has lost its memory."""
        if not self.connection.exists(self.key):
            self.register_birth()
        self.heartbeat()

    def recover(self) -> bool:
        """Put jobs of dead workers back; those out of attempts fail, told through `on_lost`.

        One worker at a time does this, behind a lock shorter than the period; False for the others.
        """
        period_ms = int(self.recover_every_s * 800)
        if not self.connection.set(RECOVERY_LOCK, self.name, nx=True, px=period_ms):
            return False
        for queue in self.queues:
            queue.started_job_registry.cleanup(exception_handlers=[self._abandoned])
        self._unstick()
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        return True

    def _abandoned(self, job: RqJob, *exc_info: Any) -> None:
        if exc_info[0] is AbandonedJobError and not job.should_retry:
            self.on_lost(job.id)

    def _unstick(self) -> None:
        """Jobs taken by a worker that died before it began them go back after a lease's time."""
        at, seen = time.monotonic(), dict[tuple[str, bytes], float]()
        for queue in self.queues:
            between = queue.intermediate_queue_key
            for job_id in cast(list[bytes], self.connection.lrange(between, 0, -1)):
                since = self._between.get((between, job_id), at)
                if at - since <= self.lease_s:
                    seen[between, job_id] = since
                    continue
                with self.connection.pipeline() as pipe:
                    pipe.lrem(between, 1, cast(Any, job_id))
                    pipe.lpush(queue.key, job_id)
                    pipe.execute()
        self._between = seen

    def _check_stored(self, running: Running) -> None:
        """RQ logs a Redis error while failing a job and goes on; we want to try again."""
        if self.holds([running])[0]:
            raise RedisConnectionError("the outcome was not stored")


def _exc_info(error: BaseException) -> Any:
    return type(error), error, error.__traceback__
