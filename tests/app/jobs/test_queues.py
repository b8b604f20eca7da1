"""Our side of RQ's queues: what is written is what RQ itself reads."""

import pytest
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from app.dependencies import Services
from app.jobs.queues import FUNCTION, queue_name, queue_names
from app.jobs.spec import Priority
from tests.app.front_end import make_job


def test_queues_are_named_by_urgency_first() -> None:
    assert queue_names(["a", "b"]) == [
        *("high:a", "high:b", "normal:a", "normal:b", "low:a", "low:b"),
    ]


def test_rq_reads_an_admitted_job_as_its_own(services: Services) -> None:
    job = make_job(priority="high")
    services.door.admit(job, None, ["default"])

    queue = Queue("high:default", connection=services.redis, serializer=JSONSerializer)
    (found,) = queue.jobs

    assert (found.id, found.func_name, found.args, found.kwargs) == (job.id, FUNCTION, [], {})
    assert found.get_status() == "queued"
    assert found.retries_left == 3
    assert found.timeout == -1
    assert queue in Queue.all(connection=services.redis)


@pytest.mark.parametrize("priority", list(Priority))
def test_a_place_counts_more_urgent_queues_first(priority: Priority, services: Services) -> None:
    before = list(Priority).index(priority)
    for each in Priority:
        services.door.admit(make_job(priority=each), None, ["default"])
    job = make_job(priority=priority)
    services.door.admit(job, None, ["default"])

    assert services.queues.position(job) == before + 1


def test_a_withdrawn_job_is_unknown_to_rq(services: Services) -> None:
    stays, leaves = make_job(), make_job()
    for job in (stays, leaves):
        services.door.admit(job, None, ["default"])

    services.queues.withdraw(leaves)

    assert services.queues.position(leaves) is None
    assert services.queues.position(stays) == 0
    assert not RqJob.exists(leaves.id, services.redis)


def test_waiting_counts_all_queues_of_the_models_asked_for(services: Services) -> None:
    for priority, model in (("low", "a"), ("high", "a"), ("normal", "b")):
        job = make_job(priority=priority, model=model)
        services.door.admit(job, None, ["a", "b"])

    assert services.queues.waiting(["a"]) == 2
    assert services.queues.waiting(["a", "b"]) == 3
    assert services.queues.waiting([]) == 0
    assert services.queues.executing(["a", "b"]) == 0


def test_stopping_a_job_that_nobody_runs_is_silent(services: Services) -> None:
    job = make_job()
    services.door.admit(job, None, ["default"])

    services.queues.stop(job.id)
    services.queues.stop("0" * 32)


def test_a_queue_is_one_model_and_one_priority() -> None:
    assert queue_name("a", Priority.LOW) == "low:a"
