"""What we use of rq 3.0 is there and does what we rely on, against a real server."""

import inspect
import time

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from app.jobs.queues import MAX_ATTEMPTS
from tests.worker.in_hand import a_bookkeeper, admitted
from worker.delivery import Running
from worker.rq_bookkeeping import RqBookkeeping

QUEUE = "normal:tiny"


def begun(bookkeeper: RqBookkeeping) -> Running:
    taken = bookkeeper.take()
    assert taken is not None
    return bookkeeper.begin(taken)


def queue(redis: Redis) -> Queue:
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def in_rq(redis: Redis, job_id: str) -> RqJob:
    return RqJob.fetch(job_id, redis, JSONSerializer)


def test_the_private_names_have_the_signatures_that_we_call(redis: Redis) -> None:
    wanted = {
        BaseWorker._finalize_success: ["self", "job", "queue", "execution", "return_value"],
        BaseWorker._finalize_failure: ["self", "job", "queue", "execution", "exc_info"],
        BaseWorker._install_signal_handlers: ["self"],
        BaseWorker.prepare_execution: ["self", "job"],
        BaseWorker.prepare_job_execution: ["self", "job", "remove_from_intermediate_queue"],
        BaseWorker.maintain_heartbeats: ["self", "job", "execution"],
        BaseWorker.cleanup_execution: ["self", "job", "pipeline", "execution"],
        Queue._enqueue_job: ["self", "job", "pipeline", "at_front", "unique"],
        StartedJobRegistry.cleanup: ["self", "timestamp", "exception_handlers"],
    }
    for function, names in wanted.items():
        assert list(inspect.signature(function).parameters) == names
    worker = BaseWorker([], connection=redis, name="nobody")
    for attribute in ("_stopped_job_id", "_stop_requested", "_exc_handlers", "executions"):
        assert hasattr(worker, attribute)


def test_rq_shows_all_executions_of_one_worker(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    jobs = {admitted(redis).id for _ in range(3)}
    for _ in jobs:
        begun(bookkeeper)

    (seen,) = BaseWorker.all(connection=redis, serializer=JSONSerializer)

    assert seen.name == bookkeeper.name
    assert seen.get_state() == "busy"
    assert {execution.job_id for execution in seen.get_current_executions()} == jobs
    registry = StartedJobRegistry(QUEUE, redis, serializer=JSONSerializer)
    assert set(registry.get_job_ids(cleanup=False)) == jobs
    assert {in_rq(redis, job).get_status() for job in jobs} == {JobStatus.STARTED}


def test_a_finished_job_is_in_the_finished_registry_and_nowhere_else(redis: Redis) -> None:
    bookkeeper, job = a_bookkeeper(redis), admitted(redis)
    bookkeeper.finish(begun(bookkeeper))
    bookkeeper.settle_state()

    assert FinishedJobRegistry(QUEUE, redis, serializer=JSONSerializer).get_job_ids() == [job.id]
    assert in_rq(redis, job.id).get_status() is JobStatus.FINISHED
    assert bookkeeper.executions == {}
    assert queue(redis).started_job_registry.get_job_ids(cleanup=False) == []
    assert not redis.exists(f"{queue(redis).key}:intermediate")
    assert [key for key in redis.scan_iter(f"rq:*{job.id}*") if redis.ttl(key) < 0] == []


def test_a_failed_and_a_stopped_job_are_not_tried_again(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    failed, stopped = admitted(redis), admitted(redis)
    bookkeeper.fail(begun(bookkeeper), ValueError("no"))
    bookkeeper.stop(begun(bookkeeper))

    assert in_rq(redis, failed.id).get_status() is JobStatus.FAILED
    assert in_rq(redis, stopped.id).get_status() is JobStatus.STOPPED
    registry = FailedJobRegistry(QUEUE, redis, serializer=JSONSerializer)
    assert set(registry.get_job_ids()) == {failed.id, stopped.id}
    assert queue(redis).count == 0


def test_a_job_handed_back_is_first_in_its_queue_with_all_attempts_left(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    first, second = admitted(redis), admitted(redis)
    bookkeeper.hand_back(begun(bookkeeper))

    assert queue(redis).job_ids == [first.id, second.id]
    assert in_rq(redis, first.id).retries_left == MAX_ATTEMPTS - 1
    assert begun(a_bookkeeper(redis)).job_id == first.id


def test_abandoned_jobs_go_back_until_no_attempt_is_left(redis: Redis) -> None:
    job, lost = admitted(redis), list[str]()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        dead, heir = a_bookkeeper(redis, lease_s=1), a_bookkeeper(redis)
        heir.on_lost = lost.append
        running = begun(dead)
        assert running.is_suspect == (attempt > 1)
        assert dead.holds([running]) == [True]
        time.sleep(1.05)
        redis.delete("darkroom:recovery")
        heir.recover()
        assert dead.holds([running]) == [False]

    assert lost == [job.id]
    assert queue(redis).count == 0
    assert in_rq(redis, job.id).get_status() is JobStatus.FAILED


def test_a_job_taken_but_never_begun_goes_back_after_a_lease(redis: Redis) -> None:
    job = admitted(redis)
    assert a_bookkeeper(redis).take() is not None
    heir = a_bookkeeper(redis, lease_s=1)
    heir.recover()
    assert queue(redis).count == 0
    time.sleep(1.05)
    redis.delete("darkroom:recovery")
    heir.recover()
    assert queue(redis).job_ids == [job.id]


def test_a_worker_that_redis_forgot_registers_again(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    redis.flushall()
    bookkeeper.say_alive()
    assert [worker.name for worker in BaseWorker.all(connection=redis)] == [bookkeeper.name]


def test_an_empty_house_silences_the_bell_and_an_urgent_job_comes_first(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    for priority in ("low", "normal", "high"):
        admitted(redis, priority=priority)
    order = [taken.queue.name for taken in iter(bookkeeper.take, None)]
    assert order == ["high:tiny", "normal:tiny", "low:tiny"]
    assert not redis.exists("darkroom:doorbell:tiny")
