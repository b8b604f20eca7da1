"""Jobs that RQ has lost and our records have not: found at the second look, and put back."""

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from app.dependencies import Services
from app.jobs import keys
from app.jobs.job import Job
from app.jobs.reconciler import Reconciler
from tests.app.front_end import HandWorker, make_job


@pytest.fixture
def reconciler(services: Services) -> Reconciler:
    return Reconciler(services.redis, services.store, services.queues)


def admitted(services: Services, **wish: object) -> Job:
    job = make_job(**wish)
    services.door.admit(job, None, ["default"])
    return job


def rq_queue(services: Services, name: str = "normal:default") -> Queue:
    return Queue(name, connection=services.redis, serializer=JSONSerializer)


def test_what_waits_is_left_alone(services: Services, reconciler: Reconciler) -> None:
    jobs = [admitted(services) for _ in range(3)]
    for _ in range(3):
        reconciler.look()

    assert rq_queue(services).job_ids == [job.id for job in jobs]


def test_a_job_in_work_or_on_its_way_is_left_alone(
    services: Services, reconciler: Reconciler
) -> None:
    taken, running = admitted(services), admitted(services)
    queue = rq_queue(services)
    services.redis.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT")
    services.redis.lrem(queue.key, 0, running.id)
    services.redis.zadd(queue.started_job_registry.key, {f"{running.id}:lease": 2e9})
    for _ in range(3):
        reconciler.look()

    assert queue.job_ids == []
    assert services.store.get(taken.id) == taken


@pytest.mark.parametrize("is_hash_kept", [True, False])
def test_accepted_and_not_queued_is_put_back_at_the_second_look(
    is_hash_kept: bool, services: Services, reconciler: Reconciler
) -> None:
    job = admitted(services)
    services.redis.lrem(rq_queue(services).key, 0, job.id)
    if not is_hash_kept:
        services.redis.delete(f"rq:job:{job.id}")
    reconciler.look()
    assert rq_queue(services).job_ids == []

    reconciler.look()
    reconciler.look()

    (found,) = rq_queue(services).jobs
    assert found.id == job.id
    assert found.retries_left == 3
    assert services.queues.position(job) == 0


def test_a_job_in_work_that_rq_forgot_is_delivered_again(
    services: Services, worker: HandWorker, reconciler: Reconciler
) -> None:
    job = admitted(services, priority="low")
    worker.take(job.id)
    for _ in range(2):
        reconciler.look()

    (found,) = rq_queue(services, "low:default").jobs
    assert (found.id, found.retries_left) == (job.id, 2)


def test_a_job_that_rq_has_given_up_fails(
    services: Services, worker: HandWorker, reconciler: Reconciler
) -> None:
    job = admitted(services)
    worker.take(job.id)
    services.redis.hset(f"rq:job:{job.id}", "status", "failed")
    for _ in range(2):
        reconciler.look()

    error = worker.job(job.id).error
    assert error is not None
    assert error.code == "worker_lost"
    assert rq_queue(services).job_ids == []


def test_ids_without_an_open_job_are_struck_off(services: Services, reconciler: Reconciler) -> None:
    job, strange = admitted(services), admitted(services)
    services.redis.delete(keys.record(job.id))
    services.redis.hset(keys.record(strange.id), "spec", '{"of": "the future"}')

    for _ in range(3):
        reconciler.look()

    assert services.redis.smembers(keys.open_jobs("anonymous")) == {strange.id.encode()}
