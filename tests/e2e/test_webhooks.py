"""Webhooks as processes: told whoever is killed, and nothing private is reached."""

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook as Library

from tests.app.front_end import MODEL
from tests.app.webhooks.receiver import OK, OLD_SECRET, SECRET, Raw, listening, receiving
from tests.service import Json, Service, Store, eventually

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def house(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """An API that knows a model; no worker, no sender yet."""
    service = Service(
        store,
        checkpoint,
        tmp_path,
        webhook_secret=f"{SECRET},{OLD_SECRET}",
        webhook_allow="127.0.0.0/8",
        webhook_retry_schedule="1,2,1,1",
    )
    store.redis.hset("darkroom:models", MODEL.id, MODEL.model_dump_json())
    service.start_api()
    yield service
    service.stop()


def cancel(house: Service, url: str) -> str:
    """A job whose end is told to the URL; nobody has to draw it."""
    job_id: str = house.submit(webhook={"url": url})["id"]
    answer = house.http.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.json()["status"] == "canceled"
    return job_id


def delivery(house: Service, job_id: str) -> Json:
    (one,) = house.http.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
    return one


def settled(house: Service, job_id: str, timeout_s: float = 20) -> Json:
    def ended() -> Json | None:
        one = delivery(house, job_id)
        return one if one["status"] != "pending" else None

    return eventually(ended, timeout_s, every_s=0.1)


def test_a_drawn_picture_is_told_of_with_a_url_that_works(house: Service) -> None:
    house.start_webhooks()
    house.start_worker()
    with receiving() as receiver:
        events = ["job.processing", "job.succeeded"]
        job_id = house.submit(
            num_inference_steps=2, webhook={"url": receiver.url, "events": events}
        )["id"]
        house.finished(job_id)
        ended_at = time.time()
        eventually(lambda: len(receiver.received) == 2)
        log.info("told %.2f s after the end was seen", receiver.received[-1].at - ended_at)

    messages = [
        Library(secret).verify(got.body, got.headers)
        for got in receiver.received
        for secret in (SECRET, OLD_SECRET)
    ]
    assert {message["type"] for message in messages} == set(events)
    (done, _) = (one["data"] for one in messages if one["type"] == "job.succeeded")
    job = house.job(job_id)
    assert {k: v for k, v in done.items() if k != "images"} == {
        k: v for k, v in job.items() if k != "images"
    }
    picture = httpx.get(done["images"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert len(picture.content) == done["images"][0]["bytes"]


def test_the_schedule_survives_a_sender_killed_between_and_within_tries(house: Service) -> None:
    def first_is_silent(connection: socket.socket, raw: Raw) -> None:
        while b"}}" not in connection.recv(65_536):
            pass
        if raw.connections == 1:
            connection.recv(1)  # until the sender dies
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receiving((500, {}), (500, {}), OK) as failing, listening(first_is_silent) as silent:
        sender = house.start_webhooks()
        between = cancel(house, failing.url)
        eventually(lambda: delivery(house, between)["attempts"])
        within = cancel(house, silent.url)
        eventually(lambda: silent.connections)
        sender.kill()
        killed_at = time.time()
        time.sleep(0.5)
        house.start_webhooks()

        told = settled(house, between)
        assert [one["response_code"] for one in told["attempts"]] == [500, 500, 200]
        assert set(failing.ids) == {told["id"]}
        assert failing.received[2].at - failing.received[1].at >= 2

        told = settled(house, within, 30)
        log.info("a try cut off by kill -9 was repeated after %.1f s", time.time() - killed_at)
        assert told["status"] == "delivered"
        assert [one["response_code"] for one in told["attempts"]] == [204]


def test_a_terminated_sender_ends_at_once_and_so_does_one_whose_supervisor_is_gone(
    house: Service,
) -> None:
    sender = house.start_webhooks()
    with receiving() as receiver:
        settled(house, cancel(house, receiver.url))
    sender.signal(signal.SIGTERM)
    assert sender.wait(5) == 0

    house.env["DARKROOM_SUPERVISOR"] = "1"  # never our parent: as if it had died
    assert house.start_webhooks().wait(10) in (0, -signal.SIGTERM)  # by us, or before we listened


def test_without_an_opening_nothing_on_this_machine_is_reached(house: Service) -> None:
    house.env["DARKROOM_WEBHOOK_ALLOW"] = ""
    house.start_webhooks()
    with listening() as canary:
        urls = [f"http://{host}:{canary.port}/" for host in ("127.0.0.1", "localhost", "0x7f.1")]
        for job_id in [cancel(house, url) for url in urls]:
            told = settled(house, job_id)
            assert told["status"] == "failed"
            (attempt,) = told["attempts"]
            assert attempt["response_code"] is None
            assert attempt["error"] == "the address is not a public one"
        assert canary.connections == 0


def test_without_a_secret_one_is_made_and_told_to_who_asks(house: Service) -> None:
    del house.env["DARKROOM_WEBHOOK_SECRET"]
    house.start_webhooks()
    with receiving() as receiver:
        settled(house, cancel(house, receiver.url))

    def secret(**env: str) -> str:
        command = [sys.executable, "-m", "app.cli", "webhooks", "--secret"]
        return subprocess.check_output(command, env={**house.env, **env}, text=True).strip()

    (got,) = receiver.received
    assert Library(secret()).verify(got.body, got.headers)["type"] == "job.canceled"

    del house.env["DARKROOM_REDIS_URL"]  # as beside `darkroom up`: found by its data folder
    Library(secret(DARKROOM_DATA_DIR=str(house.store.data_dir))).verify(got.body, got.headers)
