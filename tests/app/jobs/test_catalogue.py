"""What workers announce."""

import time

import pytest
from redis import Redis

from app.jobs import keys
from app.jobs.catalogue import WORKER_TTL_S, Catalogue, seconds_per_image
from tests.app.front_end import MODEL, WORKER


@pytest.fixture
def catalogue(redis: Redis) -> Catalogue:
    return Catalogue(redis)


def test_an_announced_model_is_known_until_announced_anew(catalogue: Catalogue) -> None:
    catalogue.announce(MODEL)
    catalogue.announce(MODEL.model_copy(update={"id": "another"}))
    catalogue.announce(newer := MODEL.model_copy(update={"max_size": 256}))

    assert [model.id for model in catalogue.models()] == ["another", "default"]
    assert catalogue.model("default") == newer
    assert catalogue.model("unheard-of") is None


def test_a_worker_is_shown_while_it_beats(catalogue: Catalogue) -> None:
    catalogue.beat(WORKER)

    (shown,) = catalogue.workers()

    assert shown.model_copy(update={"expires_at": 0.0}) == WORKER
    assert 0 < shown.expires_at - time.time() <= WORKER_TTL_S
    catalogue.retire(WORKER.name)
    assert catalogue.workers() == []


def test_a_silent_worker_is_swept_away(catalogue: Catalogue, redis: Redis) -> None:
    silent = WORKER.model_copy(update={"name": "silent", "expires_at": time.time() - 1})
    redis.hset(keys.WORKERS, "silent", silent.model_dump_json())
    redis.hset(keys.WORKERS, "garbled", "{}")
    catalogue.beat(WORKER)

    assert [worker.name for worker in catalogue.workers()] == [WORKER.name]
    assert redis.hkeys(keys.WORKERS) == [WORKER.name.encode()]


def test_two_workers_halve_the_time_between_pictures() -> None:
    slow = WORKER.model_copy(update={"seconds_per_image": 1.0})
    unknown = WORKER.model_copy(update={"seconds_per_image": None})

    assert seconds_per_image([slow, slow, unknown]) == 0.5
    assert seconds_per_image([unknown]) is None
    assert seconds_per_image([]) is None
