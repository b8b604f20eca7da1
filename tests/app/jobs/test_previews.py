"""Previews reach who wishes for them, for a few seconds, and leave nothing behind."""

import pytest
from redis import Redis

from app.dependencies import Services
from app.jobs import keys
from app.jobs.previews import Previews
from app.jobs.store import Progress
from tests.app.front_end import HandWorker, make_job


@pytest.fixture
def previews(redis: Redis) -> Previews:
    return Previews(redis)


@pytest.fixture
def job_id(services: Services) -> str:
    job = make_job(num_images=2)
    services.door.admit(job, None, ["default"])
    return job.id


@pytest.fixture
def lease(worker: HandWorker, job_id: str) -> str:
    return worker.take(job_id)


def test_nothing_is_kept_for_a_job_that_nobody_watches(
    previews: Previews, redis: Redis, job_id: str, lease: str
) -> None:
    assert not previews.publish(job_id, lease, {0: "data:,a"})
    assert not redis.exists(keys.previews(job_id))


def test_a_wish_is_heard_and_answered(previews: Previews, job_id: str, lease: str) -> None:
    previews.wish(job_id)

    assert previews.publish(job_id, lease, {})
    assert previews.publish(job_id, lease, {0: "data:,a", 1: "data:,b"})
    assert previews.publish(job_id, lease, {0: "data:,c"})

    assert previews.latest(job_id) == {0: "data:,c", 1: "data:,b"}


def test_a_worker_that_lost_the_job_shows_nothing(
    previews: Previews, worker: HandWorker, job_id: str, lease: str
) -> None:
    previews.wish(job_id)
    assert not previews.publish(job_id, "another", {0: "data:,a"})
    worker.succeed(job_id, lease)
    assert not previews.publish(job_id, lease, {0: "data:,a"})

    assert previews.latest(job_id) == {}


def test_they_are_few_and_short_lived_and_not_in_the_history(
    previews: Previews, redis: Redis, job_id: str, lease: str
) -> None:
    previews.wish(job_id)
    for number in range(100):
        previews.publish(job_id, lease, {number % 2: f"data:,{number}"})

    assert redis.xlen(keys.previews(job_id)) == 8
    assert 0 < redis.ttl(keys.previews(job_id)) <= keys.PREVIEW_TTL_S
    assert 0 < redis.ttl(keys.preview_wish(job_id)) <= keys.PREVIEW_TTL_S
    assert redis.xlen(keys.events(job_id)) == 2


def test_erasing_the_job_erases_them(
    previews: Previews, services: Services, worker: HandWorker, redis: Redis, job_id: str,
    lease: str,
) -> None:  # fmt: skip
    previews.wish(job_id)
    previews.publish(job_id, lease, {0: "data:,a"})

    services.store.erase(worker.job(job_id))

    assert not redis.exists(keys.previews(job_id))


def test_progress_carries_them_and_says_who_watches(
    previews: Previews, services: Services, worker: HandWorker, job_id: str, lease: str
) -> None:
    unwatched = make_job()
    services.door.admit(unwatched, None, ["default"])
    other_lease = worker.take(unwatched.id)
    previews.wish(job_id)

    watched = services.store.progressed(
        [Progress(unwatched.id, other_lease, 1, 20), Progress(job_id, lease, 1, 20, {0: "data:,a"})]
    )

    assert watched == {job_id}
    assert previews.latest(job_id) == {0: "data:,a"}
