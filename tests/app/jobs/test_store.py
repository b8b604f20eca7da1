"""Records: statuses go forward only, results need the lease, listings find everything."""

import json

import pytest
from redis import Redis

from app.dependencies import Services
from app.jobs import keys
from app.jobs.job import FailureCode, Job, JobStatus, StoredImage
from app.jobs.store import Progress, cursor_of, seconds_between
from tests.app.front_end import HandWorker, make_job


@pytest.fixture
def job(services: Services) -> Job:
    """A queued job."""
    job = make_job(num_images=2, seed=40)
    services.door.admit(job, None, ["default"])
    return job


def events(services: Services, job: Job) -> list[str]:
    found = services.redis.xrange(keys.events(job.id))
    return [fields[b"type"].decode() for _, fields in found]  # type: ignore[union-attr]


def test_the_life_of_a_job_leaves_its_events(
    services: Services, worker: HandWorker, job: Job
) -> None:
    worker.draw(job.id)

    done = worker.job(job.id)
    assert done.status is JobStatus.SUCCEEDED
    assert done.step == done.total_steps == 20
    assert done.engine_s == 0.25
    assert [(image.index, image.seed) for image in done.images] == [(0, 40), (1, 41)]
    assert done.created_at < done.started_at < done.finished_at  # type: ignore[operator]
    told = ["queued", "processing", "progress", "progress", "image", "image", "succeeded"]
    assert events(services, job) == told


@pytest.mark.parametrize("ending", ["succeeded", "failed", "canceled"])
def test_a_job_that_has_ended_never_changes(
    ending: str, services: Services, worker: HandWorker, job: Job
) -> None:
    lease, store = worker.take(job.id), services.store
    if ending == "succeeded":
        assert store.succeeded(job, lease, 0.1)
    elif ending == "failed":
        assert store.failed(job.id, lease, FailureCode.GENERATION_FAILED, "why")
    else:
        assert store.canceled(job.id, lease)
    before, told = worker.job(job.id), events(services, job)

    assert not store.started(before, "other")
    assert not store.succeeded(job, lease, 0.2)
    assert not store.failed(job.id, "", FailureCode.WORKER_LOST, "lost")
    assert not store.canceled(job.id, lease)
    assert not store.expired(job)
    store.cancel(before)
    store.progressed([Progress(job.id, lease, 3, 20)])

    assert worker.job(job.id) == before
    assert events(services, job) == told


def test_a_worker_that_lost_its_lease_is_not_heard(
    services: Services, worker: HandWorker, job: Job
) -> None:
    old = worker.take(job.id)
    assert services.store.started(worker.job(job.id), "new")
    before = worker.job(job.id)

    services.store.progressed([Progress(job.id, old, 5, 20)])
    assert not services.store.succeeded(job, old, 0.1)
    assert not services.store.failed(job.id, old, FailureCode.GENERATION_FAILED, "why")
    assert not services.store.canceled(job.id, old)
    with pytest.raises(AssertionError):
        worker.store_image(job.id, old)

    assert worker.job(job.id) == before
    assert (before.lease, before.attempts) == ("new", 2)


def test_a_second_attempt_keeps_the_first_start(
    services: Services, worker: HandWorker, job: Job
) -> None:
    worker.take(job.id)
    first = worker.job(job.id).started_at
    services.store.started(worker.job(job.id), "second")

    assert worker.job(job.id).started_at == first


def test_a_picture_that_is_stored_twice_is_one(worker: HandWorker, job: Job) -> None:
    lease = worker.take(job.id)
    worker.store_image(job.id, lease, 1)
    worker.store_image(job.id, lease, 0)
    worker.store_image(job.id, lease, 1)

    assert [image.index for image in worker.job(job.id).images] == [0, 1]


def test_a_write_that_is_repeated_after_a_lost_answer_is_told_once(
    services: Services, worker: HandWorker, job: Job
) -> None:
    services.store.started(job, "lease")
    services.store.started(job, "lease")
    worker.store_image(job.id, "lease")
    worker.store_image(job.id, "lease")

    told = services.redis.xrange(keys.events(job.id))

    assert [fields[b"type"] for _, fields in told] == [b"queued", b"processing", b"image"]


def test_an_ended_job_is_kept_for_its_time_and_an_open_one_for_ever(
    services: Services, worker: HandWorker, job: Job
) -> None:
    def lifetimes() -> list[int]:
        return [services.redis.ttl(key(job.id)) for key in (keys.record, keys.events)]  # type: ignore[misc]

    assert lifetimes() == [-1, -1]
    worker.draw(job.id)
    assert all(86_390 <= ttl <= 86_400 for ttl in lifetimes())


def test_a_deadline_passes_while_the_job_waits(services: Services) -> None:
    job, calm = make_job(deadline_s=1), make_job(deadline_s=1_000)
    early = job.model_copy(update={"created_at": job.created_at.replace(year=2020)})
    for one in (early, calm):
        services.door.admit(one, None, ["default"])

    assert services.store.overdue() == [early]
    assert services.store.expired(early)

    failed = services.store.get(job.id)
    assert failed
    assert failed.error
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "deadline_exceeded")
    assert services.store.overdue() == []


def test_a_job_in_work_is_not_expired_behind_its_workers_back(
    services: Services, worker: HandWorker, job: Job
) -> None:
    worker.take(job.id)

    assert not services.store.expired(job)


def test_a_cancel_ends_a_queued_job_and_takes_it_off_the_queue(
    services: Services, job: Job
) -> None:
    services.store.cancel(job)

    canceled = services.store.get(job.id)
    assert canceled
    assert canceled.status is JobStatus.CANCELED
    assert canceled.finished_at
    assert services.queues.waiting(["default"]) == 0
    assert events(services, job) == ["queued", "canceled"]


def test_a_cancel_of_a_job_in_work_is_only_a_wish(
    services: Services, worker: HandWorker, job: Job
) -> None:
    lease = worker.take(job.id)

    services.store.cancel(job)

    assert worker.job(job.id).status is JobStatus.PROCESSING
    assert worker.job(job.id).is_cancel_requested
    assert services.store.canceled(job.id, lease)


def test_an_erased_job_is_nowhere(services: Services, worker: HandWorker, redis: Redis) -> None:
    job = make_job(deadline_s=60)
    services.door.admit(job, None, ["default"])
    worker.take(job.id)

    services.store.erase(worker.job(job.id))

    left = {key.decode() for key in redis.scan_iter()}
    of_the_owner = {keys.waiting("default"), keys.turns("default")}
    assert left <= {keys.doorbell("default"), "rq:queues", keys.TALLY, *of_the_owner}
    assert redis.hkeys(keys.TALLY) == [b"jobs\tdefault\tcanceled\t"]  # a figure, of nobody


def test_a_listing_goes_on_where_its_cursor_says(services: Services) -> None:
    jobs = [make_job() for _ in range(5)]
    for job in jobs:
        services.door.admit(job, None, ["default"])
    newest = services.store.newest("anonymous", None, 2, None)

    rest = services.store.newest("anonymous", None, 10, float(cursor_of(newest[-1])))

    assert [*newest, *rest] == jobs[::-1]


def test_a_listing_passes_over_jobs_that_have_expired(services: Services, redis: Redis) -> None:
    jobs = [make_job() for _ in range(3)]
    for job in jobs:
        services.door.admit(job, None, ["default"])
    redis.delete(keys.record(jobs[1].id))

    assert services.store.newest("anonymous", None, 10, None) == [jobs[2], jobs[0]]
    assert redis.zcard(keys.owned("anonymous")) == 2


def test_a_listing_of_one_status_looks_through_many_pages(
    services: Services, worker: HandWorker
) -> None:
    jobs = [make_job() for _ in range(450)]
    for job in jobs:
        services.door.admit(job, None, [])
    worker.draw(jobs[0].id)

    (found,) = services.store.newest("anonymous", JobStatus.SUCCEEDED, 20, None)

    assert found.id == jobs[0].id


def test_many_records_come_in_the_order_asked_for(services: Services, job: Job) -> None:
    found = services.store.get_many(["0" * 32, job.id])

    assert found == [None, job]


def test_a_stored_picture_keeps_all_that_is_known_of_it(
    services: Services, worker: HandWorker, job: Job
) -> None:
    lease = worker.take(job.id)
    worker.store_image(job.id, lease)
    (_, fields), *_ = services.redis.xrevrange(keys.events(job.id), count=1)  # type: ignore[misc]

    (image,) = worker.job(job.id).images
    assert StoredImage(**json.loads(fields[b"data"])) == image


def test_seconds_between_needs_both_ends(job: Job) -> None:
    assert seconds_between(job.created_at, None) is None
    assert seconds_between(None, job.created_at) is None
    assert seconds_between(job.created_at, job.created_at) == 0
