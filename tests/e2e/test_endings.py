"""Jobs that end other than well, and things in the queue that are none."""

import json
import logging
import os
import pickle
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs import keys
from tests.e2e.witness import (
    LONG,
    QUEUE,
    assert_all_succeeded,
    assert_rq_is_empty,
    assert_well_told,
    events,
    held,
    pictures,
    processing,
    recorded,
)
from tests.service import Service, eventually, lasting

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Service]:
    """A service with one worker for all the tests that leave their processes alive."""
    with lasting(
        tmp_path_factory.mktemp("steady"), checkpoint, job_lease_s="2", max_inside="8"
    ) as service:
        yield service


def test_a_canceled_job_leaves_the_engine_before_its_next_step(steady: Service) -> None:
    latencies = list[float]()
    for _ in range(9):
        job_id = processing(steady, num_images=2)
        asked_at = time.monotonic()
        steady.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        eventually(lambda key=job_id: recorded(steady, key, "status") == "canceled", every_s=0.002)
        latencies.append(time.monotonic() - asked_at)
        assert_well_told(events(steady.store.redis, job_id))

    log.info("cancel: median %.3f s, worst %.3f s", statistics.median(latencies), max(latencies))
    assert statistics.median(latencies) < 0.3
    eventually(lambda: not held(steady))
    eventually(lambda: steady.http.get("/v1/queue").json()["workers"][0]["slots_used"] == 0)


def test_a_storm_of_cancels_ends_every_job_once(steady: Service) -> None:
    redis = steady.store.redis
    ids = [steady.submit(num_inference_steps=20)["id"] for _ in range(40)]
    for job_id in ids * 2:
        steady.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()

    jobs = [steady.finished(job_id) for job_id in ids]

    assert {job["status"] for job in jobs} <= {"canceled", "succeeded"}
    for job in jobs:
        assert_well_told(events(redis, job["id"]))
    eventually(lambda: not held(steady))
    eventually(lambda: not redis.exists(QUEUE))
    assert_rq_is_empty(redis, ids)
    for job in jobs:
        assert pictures(steady)[job["id"]] == len(job["images"])


def test_an_erased_job_leaves_no_picture_and_no_key(steady: Service) -> None:
    redis = steady.store.redis
    ids = [processing(steady, num_images=2)]
    for wait_s in (0.0, 0.02, 0.05, 0.1):  # about the time when the pictures come out
        job_id = steady.submit(num_inference_steps=3, num_images=4)["id"]
        eventually(lambda key=job_id: recorded(steady, key, "status") != "queued")
        time.sleep(wait_s)
        steady.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
        ids.append(job_id)
    steady.http.delete(f"/v1/jobs/{ids[0]}").raise_for_status()

    eventually(lambda: not held(steady))
    eventually(lambda: steady.http.get("/v1/queue").json()["workers"][0]["slots_used"] == 0)
    for job_id in ids:
        assert pictures(steady)[job_id] == 0
        assert [key for key in redis.scan_iter(f"*{job_id}*") if redis.ttl(key) < 0] == []
        assert not redis.exists(keys.record(job_id), keys.events(job_id))


def test_a_deadline_ends_waiting_and_running_jobs(steady: Service) -> None:
    running = processing(steady, num_images=8, width=128, height=128, deadline_s=2)
    waiting = steady.submit(num_inference_steps=LONG, deadline_s=1)["id"]

    for job_id in (running, waiting):
        job = steady.finished(job_id)
        assert job["status"] == "failed"
        assert job["error"]["code"] == "deadline_exceeded"
        assert_well_told(events(steady.store.redis, job_id))
    assert recorded(steady, waiting, "started_at") == ""
    eventually(lambda: not held(steady))
    assert_rq_is_empty(steady.store.redis, [running, waiting])


def test_nothing_that_is_planted_in_the_queue_ever_runs(steady: Service, tmp_path: Path) -> None:
    redis = steady.store.redis
    proof = tmp_path / "it-ran"
    planted = {
        "planted-json": json.dumps(["os.system", None, [f"touch {proof}"], {}]).encode(),
        "planted-pickle": pickle.dumps(Touch(proof)),
        "planted-noise": b"\x00\xff",
    }
    for job_id, payload in planted.items():
        redis.hset(f"rq:job:{job_id}", mapping={"data": payload, "status": "queued"})
        redis.hset(f"rq:job:{job_id}", "success_callback_name", "os.system")
    redis.hset("rq:job:planted-status", mapping={"data": b"[]", "status": "nonsense"})
    redis.set("rq:job:planted-type", "not a hash")
    strange = ["planted-status", "planted-type", "unknown", b"\xff\xfe", "no:such/id"]
    redis.rpush(QUEUE, *planted, *strange)

    eventually(lambda: not redis.exists(QUEUE))
    assert_all_succeeded(steady, [steady.submit(num_inference_steps=2)["id"]])
    assert not redis.exists(f"{QUEUE}:intermediate")
    assert not redis.exists(*(f"rq:job:{job_id}" for job_id in planted))
    assert not proof.exists()
    assert steady.processes[-1].is_alive


def test_a_planted_callback_of_a_real_job_never_runs(steady: Service, tmp_path: Path) -> None:
    proof = tmp_path / "it-ran"
    job_id = processing(steady)
    steady.store.redis.hset(
        f"rq:job:{job_id}",
        mapping={"success_callback_name": "os.system", "failure_callback_name": "os.abort"},
    )

    assert_all_succeeded(steady, [job_id])
    assert not proof.exists()


@pytest.mark.usefixtures("in_a_folder")
def test_a_picture_that_cannot_be_stored_fails_its_job_alone(steady: Service) -> None:
    images = steady.folder / "images"
    aside = images.rename(steady.folder / "aside")
    images.write_text("a file where a folder should be")
    job = steady.finished(steady.submit(num_inference_steps=2, num_images=3)["id"])
    images.unlink()
    aside.rename(images)

    assert job["status"] == "failed"
    assert job["error"]["code"] == "generation_failed"
    assert_well_told(events(steady.store.redis, job["id"]))
    assert_all_succeeded(steady, [steady.submit(num_inference_steps=2)["id"]])


class Touch:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)
