"""Counts of what has ended: once each, by model, status and code, in the right buckets."""

from datetime import timedelta

import pytest
from redis import Redis

from app.dependencies import Services
from app.jobs.job import FailureCode, JobStatus
from app.jobs.tally import BOUNDS_S, Histogram, Tally, bound_of
from tests.app.front_end import HandWorker, make_job


def admit(services: Services, **fields: object) -> str:
    job = make_job(**fields)
    services.door.admit(job, None, ["default"])
    return job.id


def test_every_ending_is_counted_once(services: Services, worker: HandWorker) -> None:
    drawn, canceled, failed = (admit(services, num_images=2) for _ in range(3))
    lease = worker.take(drawn)
    for index in (0, 1):
        worker.store_image(drawn, lease, index)
    worker.succeed(drawn, lease)
    for _ in range(2):  # the second time changes nothing
        services.store.cancel(worker.job(canceled))
        services.store.failed(failed, "", FailureCode.OUT_OF_MEMORY, "too big")
        services.store.succeeded(worker.job(drawn), lease, 1.0)

    totals = Tally(services.redis).read()

    assert totals.jobs == {
        ("default", "succeeded", ""): 1,
        ("default", "canceled", ""): 1,
        ("default", "failed", "out_of_memory"): 1,
    }
    assert totals.images == {("default",): 2}
    assert set(totals.seconds) == {(stage, "default") for stage in ("queue", "generation", "total")}


def test_seconds_fall_into_their_buckets(redis: Redis) -> None:
    job = make_job()
    began = job.created_at + timedelta(seconds=2)
    ended = began + timedelta(seconds=40)
    values = {"status": JobStatus.SUCCEEDED, "started_at": began, "finished_at": ended}
    Tally(redis).ended(job.model_copy(update=values))

    seconds = Tally(redis).read().seconds

    assert seconds["queue", "default"] == Histogram({"2.5": 1}, 2.0)
    assert seconds["generation", "default"] == Histogram({"60": 1}, 40.0)
    assert seconds["total", "default"] == Histogram({"60": 1}, 42.0)


@pytest.mark.parametrize(
    ("seconds", "bound"), [(0, "0.1"), (0.1, "0.1"), (0.11, "0.25"), (1e9, "+Inf")]
)
def test_a_bound_includes_itself(seconds: float, bound: str) -> None:
    assert bound_of(seconds) == bound


def test_buckets_are_cumulated_to_the_count() -> None:
    pairs = Histogram({"0.5": 2, "60": 1, "+Inf": 1}, 99.0).cumulated()

    assert [bound for bound, _ in pairs] == [*map(str, BOUNDS_S), "+Inf"]
    assert (dict(pairs)["0.25"], dict(pairs)["0.5"], dict(pairs)["60"]) == (0, 2, 3)
    assert pairs[-1] == ("+Inf", 4)


def test_webhooks_are_counted_by_what_came_of_them(redis: Redis) -> None:
    tally = Tally(redis)
    for state, code in (("delivered", 200), ("pending", 500), ("pending", None), ("pending", None)):
        tally.tried(state, code)

    assert tally.read().webhooks == {
        ("delivered", "200"): 1, ("pending", "500"): 1, ("pending", "none"): 2,
    }  # fmt: skip
