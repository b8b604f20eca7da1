"""From a job's end to the receiver: told at least once, by the schedule, whoever dies or sulks."""

import json
import time
from collections import Counter
from datetime import datetime

import pytest
from standardwebhooks import Webhook as Library

from app.dependencies import Services
from app.jobs.job import Job
from app.jobs.webhook import WebhookEvent
from app.webhooks.delivery import Delivery, DeliveryState
from app.webhooks.ledger import Ledger
from tests.app.front_end import HandWorker
from tests.app.webhooks.conftest import Submit, make_sender, sending
from tests.app.webhooks.receiver import OK, OLD_SECRET, SECRET, listening, receiving, silence
from tests.service import Store, eventually

pytestmark = pytest.mark.timeout(20)


def settled(ledger: Ledger, job: Job) -> Delivery:
    """The job's one delivery, once no try is to come."""

    def ended() -> Delivery | None:
        (delivery,) = ledger.of_job(job)
        return None if delivery.state is DeliveryState.PENDING else delivery

    return eventually(ended, 10)


def test_a_drawn_job_is_told_in_a_signed_message(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving() as receiver, sending(make_sender(store)):
        job = submit(receiver.url)
        worker.draw(job.id)
        delivery = settled(ledger, job)

    (got,) = receiver.received
    message = Library(SECRET).verify(got.body, got.headers)
    assert delivery.state is DeliveryState.DELIVERED
    assert message["type"] == "job.succeeded"
    assert message["timestamp"].endswith("Z")
    assert datetime.fromisoformat(message["timestamp"]) == delivery.created_at
    assert message["data"]["id"] == job.id
    assert message["data"]["status"] == "succeeded"
    assert message["data"]["request"]["webhook"]["url"] == receiver.url
    (image,) = message["data"]["images"]
    assert image["url"].startswith(f"http://public.example/images/{job.id}/0.png?")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == delivery.id
    assert [(one.number, one.response_code) for one in delivery.attempts] == [(1, 200)]


def test_during_a_rotation_receivers_with_either_key_verify(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving() as receiver, sending(make_sender(store, SECRET, OLD_SECRET)):
        job = submit(receiver.url)
        worker.draw(job.id)
        settled(ledger, job)

    (got,) = receiver.received
    for secret in (SECRET, OLD_SECRET):
        Library(secret).verify(got.body, got.headers)


def test_a_failed_try_is_repeated_by_the_schedule_under_the_same_id(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    answers, sender = (
        [(500, {}), (302, {"Location": "/"}), OK],
        make_sender(store, waits_s=[0.4, 0.8]),
    )
    with receiving(*answers) as receiver, sending(sender):
        job = submit(receiver.url)
        worker.draw(job.id)
        delivery = settled(ledger, job)

    assert delivery.state is DeliveryState.DELIVERED
    assert [one.response_code for one in delivery.attempts] == [500, 302, 200]
    assert set(receiver.ids) == {delivery.id}
    first, second, third = (got.at for got in receiver.received)
    assert 0.4 <= second - first < 1.0
    assert 0.8 <= third - second < 1.6
    for got in receiver.received:
        Library(SECRET).verify(got.body, got.headers)


def test_when_no_try_is_left_the_delivery_stays_as_failed_until_it_is_asked_for_again(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving((500, {}), (500, {}), (500, {}), OK) as receiver, sending(make_sender(store)):
        job = submit(receiver.url)
        worker.draw(job.id)
        dead = settled(ledger, job)
        assert (dead.state, dead.next_at, dead.tries) == (DeliveryState.FAILED, None, 3)

        assert ledger.send_again(dead)
        revived = settled(ledger, job)

        assert revived.state is DeliveryState.DELIVERED
        assert [one.number for one in revived.attempts] == [1, 2, 3, 4]
        assert len(set(receiver.ids)) == 1

        assert ledger.send_again(revived)  # even what was delivered, when somebody lost it
        eventually(lambda: len(receiver.received) == 5)


def test_a_receiver_that_is_gone_for_good_is_left_alone(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving((410, {})) as receiver, sending(make_sender(store, waits_s=[0.1])):
        job = submit(receiver.url)
        worker.draw(job.id)
        delivery = settled(ledger, job)
        time.sleep(0.5)

    assert delivery.state is DeliveryState.FAILED
    assert len(receiver.received) == 1


def test_retry_after_is_heeded(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    sender = make_sender(store, waits_s=[0.1])
    with receiving((503, {"Retry-After": "2"}), OK) as receiver, sending(sender):
        job = submit(receiver.url)
        worker.draw(job.id)
        settled(ledger, job)

    first, second = (got.at for got in receiver.received)
    assert 2.0 <= second - first < 3.0


def test_a_dead_receiver_delays_no_other(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with listening(silence) as dead, receiving() as receiver, sending(make_sender(store)):
        for _ in range(50):
            worker.draw(submit(dead.url).id)
        eventually(lambda: dead.connections)
        began = time.monotonic()
        jobs = [submit(receiver.url) for _ in range(20)]
        for job in jobs:
            worker.draw(job.id)
        eventually(lambda: len(receiver.received) == 20)

        assert time.monotonic() - began < 3
        assert dead.connections <= 4


def test_two_senders_share_the_work_and_send_nothing_twice(
    store: Store, submit: Submit, worker: HandWorker, ledger: Ledger
) -> None:
    with receiving() as receiver:
        jobs = [submit(receiver.url) for _ in range(60)]
        for job in jobs:
            worker.draw(job.id)
        with sending(make_sender(store)), sending(make_sender(store)):
            for job in jobs:
                assert settled(ledger, job).state is DeliveryState.DELIVERED

    assert Counter(receiver.ids) == {f"{job.id}-succeeded": 1 for job in jobs}


def test_what_a_dead_sender_had_claimed_is_sent_by_another(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving() as receiver:
        job = submit(receiver.url)
        worker.draw(job.id)
        (lost,) = ledger.claim(job.webhook.receiver, 4, 1)  # type: ignore[union-attr]
        claimed_at = time.time()
        assert ledger.claim(job.webhook.receiver, 4, 1) == []  # type: ignore[union-attr]
        with sending(make_sender(store)):
            delivery = settled(ledger, job)

    assert lost.delivery.id == delivery.id
    assert 0.8 < receiver.received[0].at - claimed_at < 2


def test_a_sender_waits_for_redis_and_goes_on(
    store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving((500, {}), OK) as receiver, sending(make_sender(store, waits_s=[1.0])):
        job = submit(receiver.url)
        worker.draw(job.id)
        eventually(lambda: ledger.of_job(job)[0].tries == 1)
        time.sleep(1.1)  # the append-only file is written once a second
        store.kill()
        time.sleep(0.7)
        store.start()

        assert settled(ledger, job).state is DeliveryState.DELIVERED


def test_only_wanted_events_are_told_and_each_once(
    services: Services, store: Store, ledger: Ledger, submit: Submit, worker: HandWorker
) -> None:
    with receiving() as receiver:
        wanted = [WebhookEvent.PROCESSING, WebhookEvent.CANCELED]
        drawn = submit(receiver.url, events=wanted)
        services.store.started(worker.job(drawn.id), "a worker that is lost")
        worker.draw(drawn.id)
        canceled = submit(receiver.url, events=wanted)
        services.store.cancel(canceled)
        with sending(make_sender(store)):
            for job in (drawn, canceled):
                settled(ledger, job)

    told = [json.loads(got.body) for got in receiver.received]
    assert {(one["data"]["id"], one["type"]) for one in told} == {
        (drawn.id, "job.processing"),
        (canceled.id, "job.canceled"),
    }
    assert len(told) == 2
    (processing,) = (one["data"] for one in told if one["type"] == "job.processing")
    assert (processing["status"], processing["attempts"]) == ("processing", 1)
