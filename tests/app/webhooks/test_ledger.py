"""Deliveries in Redis: made with the job's state, fenced, kept long enough, erased with the job."""

from datetime import UTC, datetime

import pytest
from redis import Redis

from app.dependencies import Services
from app.jobs import keys
from app.jobs.job import FailureCode
from app.jobs.webhook import WebhookEvent
from app.webhooks.delivery import Attempt, DeliveryState
from app.webhooks.ledger import MAX_ATTEMPTS_KEPT, Ledger
from tests.app.front_end import HandWorker
from tests.app.webhooks.conftest import Submit

URL = "http://hooks.example/"
RECEIVER = "hooks.example:80"


def attempt() -> Attempt:
    now = datetime.now(UTC)
    return Attempt(at=now, is_success=False, response_code=500, reason="", duration_s=0.1)


@pytest.mark.parametrize("ending", ["succeeded", "failed", "canceled"])
def test_a_delivery_is_owed_from_the_moment_of_the_event(
    ending: str, services: Services, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    job = submit(URL)
    lease = worker.take(job.id)
    assert ledger.of_job(job) == []
    if ending == "succeeded":
        services.store.succeeded(job, lease, 0.1)
    elif ending == "failed":
        services.store.failed(job.id, lease, FailureCode.OUT_OF_MEMORY, "why")
    else:
        services.store.canceled(job.id, lease)

    (delivery,) = ledger.of_job(job)
    assert delivery.id == f"{job.id}-{ending}"
    assert delivery.event is WebhookEvent(f"job.{ending}")
    assert delivery.job == worker.job(job.id)
    assert (delivery.state, delivery.tries) == (DeliveryState.PENDING, 0)
    assert delivery.next_at == delivery.created_at
    assert ledger.due_receivers() == [RECEIVER]


def test_a_job_without_a_webhook_owes_nothing(
    services: Services, ledger: Ledger, worker: HandWorker, redis: Redis, submit: Submit
) -> None:
    job = submit(URL, events=[WebhookEvent.FAILED])
    worker.draw(job.id)

    assert ledger.of_job(job) == []
    assert ledger.due_receivers() == []
    assert list(redis.scan_iter("darkroom:delivery:*")) == []


def test_a_result_from_a_lost_lease_owes_nothing(
    services: Services, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    job = submit(URL)
    worker.take(job.id)

    assert not services.store.succeeded(worker.job(job.id), "another", 0.1)
    assert ledger.of_job(job) == []


def test_a_claim_that_ran_out_notes_its_try_and_decides_nothing(
    ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    job = submit(URL)
    worker.draw(job.id)
    (claim,) = ledger.claim(RECEIVER, 9, 60)
    ledger.send_again(claim.delivery)
    (newer,) = ledger.claim(RECEIVER, 9, 60)

    ledger.settle(claim, attempt(), DeliveryState.DELIVERED, None)
    (after,) = ledger.of_job(job)
    assert (after.state, after.tries, len(after.attempts)) == (DeliveryState.PENDING, 0, 1)

    ledger.settle(newer, attempt(), DeliveryState.FAILED, None)
    (after,) = ledger.of_job(job)
    assert (after.state, after.tries, len(after.attempts)) == (DeliveryState.FAILED, 1, 2)


def test_a_delivery_outlives_its_job_and_every_wait(
    services: Services, ledger: Ledger, submit: Submit, worker: HandWorker, redis: Redis
) -> None:
    job = submit(URL, keep_s=100_000)
    worker.draw(job.id)
    key = keys.delivery(f"{job.id}-succeeded")
    assert 99_990 < redis.ttl(key) <= 100_000
    (claim,) = ledger.claim(RECEIVER, 9, 60)

    ledger.settle(claim, attempt(), DeliveryState.PENDING, 50_000.0)

    assert 149_990 < redis.ttl(key) <= 150_000
    (delivery,) = ledger.of_job(job)
    assert delivery.next_at
    assert 49_990 < (delivery.next_at - datetime.now(UTC)).total_seconds() <= 50_000
    assert ledger.due_receivers() == []


def test_an_erased_job_is_not_told_of_any_more(
    services: Services, ledger: Ledger, submit: Submit, worker: HandWorker, redis: Redis
) -> None:
    job = submit(URL)
    worker.draw(job.id)
    services.store.erase(worker.job(job.id))

    assert ledger.claim(RECEIVER, 9, 60) == []
    assert ledger.claim(RECEIVER, 9, 60) == []
    assert ledger.due_receivers() == []
    assert not [key for key in redis.scan_iter() if job.id.encode() in key]


def test_of_very_many_tries_the_latest_are_kept(
    ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    job = submit(URL)
    worker.draw(job.id)
    for _ in range(MAX_ATTEMPTS_KEPT + 3):
        (claim,) = ledger.claim(RECEIVER, 9, 60)
        ledger.settle(claim, attempt(), DeliveryState.PENDING, 0.0)

    (delivery,) = ledger.of_job(job)
    numbers = [one.number for one in delivery.attempts]
    assert numbers == list(range(4, MAX_ATTEMPTS_KEPT + 4))


def test_a_delivery_that_cannot_be_read_stands_in_nobodys_way(
    ledger: Ledger, submit: Submit, worker: HandWorker, redis: Redis
) -> None:
    spoilt, good = submit(URL), submit(URL)
    for job in (spoilt, good):
        worker.draw(job.id)
    redis.hset(keys.delivery(f"{spoilt.id}-succeeded"), "record", "{}")

    (claim,) = ledger.claim(RECEIVER, 9, 60)

    assert claim.delivery.job.id == good.id
    assert redis.zcard(keys.due(RECEIVER)) == 1
