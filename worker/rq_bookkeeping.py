"""What RQ wants to know of a worker that runs many jobs at once: the only file that says `rq`.

Written against rq 3.0: `_finalize_success`, `_finalize_failure`, `_stopped_job_id` and
`Queue._enqueue_job` are private there; `tests/worker/test_rq_contract.py` watches them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.command import handle_command, parse_payload
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.job import JobStatus as RqStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import BaseWorker, WorkerStatus

from app.jobs import keys
from app.jobs.queues import FUNCTION, queue_names

RECOVERY_LOCK = f"{keys.PREFIX}:recovery"


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


@dataclass(frozen=True)
class Running(Taken):
    """A job of which RQ knows that it runs here."""

    execution: Execution

    @property
    def lease(self) -> str:
        """The name of this one execution: whoever holds it may write the job's results."""
        return self.execution.id


class RqBookkeeping(BaseWorker):
    """BaseWorker for many executions at once. Its subclass says what the work is."""

    log_result_lifespan = False

    def __init__(
        self, name: str, models: Sequence[str], redis: Redis, lease_s: int, recover_every_s: float
    ) -> None:
        self.lease_s = lease_s
        self.recover_every_s = recover_every_s
        self.stop_requests: Callable[[str], None] = lambda job_id: None
        super().__init__(
            queue_names(models),
            name=name,
            connection=redis,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        self._doorbells = [keys.doorbell(model) for model in models]
        self._dequeue = redis.register_script(files("worker").joinpath("dequeue.lua").read_text())
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
                self.stop_requests(execution.job_id)

    def handle_payload(self, message: Any) -> None:
        """On RQ's pubsub thread: a command that names a job means whichever of ours it is."""
        payload = parse_payload(message)
        if payload["command"] == "stop-job":
            self.stop_requests(str(payload["job_id"]))
        else:
            handle_command(self, payload)

    def procline(self, message: str) -> None:
        """Many jobs run at once: none of them is the process's title."""

    # -- taking jobs --

    def wait_for_bell(self, timeout_s: int) -> None:
        """Sleep until a job is submitted, or so long."""
        self.connection.blpop(self._doorbells, timeout=timeout_s)

    def take(self, count: int) -> list[Taken]:
        """Up to `count` jobs off the queues; those RQ has forgotten are swept away."""
        queues = self.queues
        found = self._dequeue(
            keys=[*(queue.key for queue in queues), *self._doorbells], args=[count, len(queues)]
        )
        flat = cast(list[Any], found)
        pairs = [
            (queues[int(place) - 1], cast(bytes, job_id).decode())
            for place, job_id in zip(flat[::2], flat[1::2], strict=True)
        ]
        jobs = RqJob.fetch_many([job_id for _, job_id in pairs], self.connection, JSONSerializer)
        taken: list[Taken] = []
        for (queue, job_id), job in zip(pairs, jobs, strict=True):
            if job is not None and job.get_status(refresh=False) == RqStatus.QUEUED:
                taken.append(Taken(job, queue))
            else:
                queue.intermediate_queue.remove(job_id)
        return taken

    def begin(self, taken: Taken) -> Running:
        """Tell RQ that the job runs here; from now on it is leased."""
        execution = self.prepare_execution(taken.job)
        self.prepare_job_execution(taken.job, remove_from_intermediate_queue=True)
        taken.job.started_at = now()
        return Running(taken.job, taken.queue, execution)

    def discard(self, taken: Taken) -> None:
        """The job has ended already as far as we know: RQ may forget it."""
        taken.queue.intermediate_queue.remove(taken.job_id)
        taken.job.delete(remove_from_queue=False)

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

    def recover(self, on_lost: Callable[[str], None]) -> None:
        """Put jobs of dead workers back; those out of attempts fail, told through `on_lost`.

        One worker at a time does this, behind a lock shorter than the period.
        """
        period_ms = int(self.recover_every_s * 800)
        if not self.connection.set(RECOVERY_LOCK, self.name, nx=True, px=period_ms):
            return

        def abandoned(job: RqJob, *exc_info: Any) -> None:
            if not job.should_retry:
                on_lost(job.id)

        for queue in self.queues:
            queue.started_job_registry.cleanup(exception_handlers=[abandoned])
            self._unstick(queue)
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()

    def _unstick(self, queue: Queue) -> None:
        """Jobs taken by a worker that died before it began them."""
        between = queue.intermediate_queue
        for job_id in between.get_job_ids():
            seen = between.get_first_seen(job_id)
            if seen is None:
                between.set_first_seen(job_id)
            elif (now() - seen).total_seconds() > self.lease_s:
                with self.connection.pipeline() as pipe:
                    pipe.lrem(between.key, 1, job_id)
                    if job_id not in queue.started_job_registry:
                        pipe.lpush(queue.key, job_id)
                    pipe.delete(between.get_first_seen_key(job_id))
                    pipe.execute()

    def _check_stored(self, running: Running) -> None:
        """RQ logs a Redis error while failing a job and goes on; we want to try again."""
        if self.holds([running])[0]:
            raise RedisConnectionError("the outcome was not stored")


def _exc_info(error: BaseException) -> Any:
    return type(error), error, error.__traceback__
