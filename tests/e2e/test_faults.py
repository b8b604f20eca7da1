"""Processes are killed, stopped and frozen: what was accepted is finished, and finished once."""

import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.queues import MAX_ATTEMPTS
from tests.e2e.witness import (
    LONG,
    QUEUE,
    assert_all_succeeded,
    assert_well_told,
    events,
    held,
    processing,
    recorded,
    running,
)
from tests.service import Service, Store, eventually

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def house(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """An API and no worker yet."""
    service = Service(store, checkpoint, tmp_path, job_lease_s="2", drain_s="1", max_inside="8")
    service.start_api()
    yield service
    service.stop()


@pytest.mark.timeout(120)
def test_two_workers_killed_in_the_middle_of_twenty_jobs_lose_none(house: Service) -> None:
    worker = house.start_worker()
    ids = [house.submit(num_inference_steps=100)["id"] for _ in range(20)]

    for _ in range(2):
        eventually(lambda: len(running(house)) == 8)
        worker.kill()
        killed_at = time.monotonic()
        leases = {job_id: recorded(house, job_id, "lease") for job_id in held(house)}
        worker = house.start_worker(wait=False)
        eventually(lambda old=leases: any(recorded(house, key, "lease") != old[key] for key in old))
        again_s = time.monotonic() - killed_at
        eventually(lambda old=leases: all(recorded(house, key, "lease") != old[key] for key in old))
        all_s = time.monotonic() - killed_at
        log.info("kill -9: of %d jobs one runs again after %.1f s", len(leases), again_s)
        log.info("kill -9: each, one after the other, after %.1f s", all_s)
        assert again_s < 25

    jobs = assert_all_succeeded(house, ids)
    attempts = Counter(job["attempts"] for job in jobs)
    log.info("attempts: %s", dict(attempts))
    assert sum(count * (n - 1) for n, count in attempts.items()) >= 16


def test_valkey_killed_in_the_middle_of_jobs_loses_none(house: Service) -> None:
    worker = house.start_worker()
    api = house.processes[0]
    ids = [house.submit(num_inference_steps=60)["id"] for _ in range(12)]
    eventually(lambda: len(held(house)) == 8)

    house.store.kill()
    answer = house.http.get("/readyz")
    time.sleep(1)
    house.store.start()

    assert answer.status_code == 503
    assert_all_succeeded(house, ids)
    assert worker.is_alive
    assert api.is_alive
    assert_all_succeeded(house, [house.submit(num_inference_steps=2)["id"]])

    asked_at = time.monotonic()
    assert worker.stop() == 0
    log.info("SIGTERM while idle: gone after %.2f s", time.monotonic() - asked_at)
    assert time.monotonic() - asked_at < 3


@pytest.mark.timeout(120)
def test_a_terminated_worker_hands_back_what_it_cannot_finish(house: Service) -> None:
    redis = house.store.redis
    worker = house.start_worker(drain_s="0.2")
    ids = [house.submit(num_images=2, num_inference_steps=LONG)["id"] for _ in range(4)]
    eventually(lambda: all(recorded(house, one, "status") == "processing" for one in ids))
    last = [house.submit(num_images=2)["id"] for _ in range(2)]

    assert worker.stop() == 0

    assert [entry.decode() for entry in redis.lrange(QUEUE, 0, -1)] == ids + last
    for job_id in ids:
        assert redis.hget(f"rq:job:{job_id}", "retries_left") == b"3"
        assert recorded(house, job_id, "status") == "processing"

    impatient = house.start_worker(drain_s="60")
    eventually(lambda: set(ids) <= set(held(house)))
    impatient.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert impatient.is_alive
    asked_at = time.monotonic()
    assert impatient.stop() == 0
    log.info("second SIGTERM: gone after %.2f s", time.monotonic() - asked_at)
    assert time.monotonic() - asked_at < 3
    assert [entry.decode() for entry in redis.lrange(QUEUE, 0, -1)][:4] == ids

    house.start_worker()
    jobs = assert_all_succeeded(house, ids + last)
    assert {job["attempts"] for job in jobs[:4]} == {3}


@pytest.mark.timeout(120)
def test_a_worker_that_slept_through_its_lease_is_not_believed(house: Service) -> None:
    sleeper = house.start_worker()
    ids = [processing(house) for _ in range(3)]
    sleeper.signal(signal.SIGSTOP)
    slept_at = time.monotonic()

    house.start_worker(wait=False)
    for job_id in ids:
        house.finished(job_id)
    log.info("SIGSTOP: finished elsewhere after %.1f s", time.monotonic() - slept_at)
    before = {job_id: house.job(job_id) for job_id in ids}
    told = {job_id: events(house.store.redis, job_id) for job_id in ids}
    sleeper.signal(signal.SIGCONT)

    eventually(lambda: sleeper.said().count("job.dropped") == len(ids))
    assert {job_id: house.job(job_id) for job_id in ids}.keys() == before.keys()
    assert {job_id: events(house.store.redis, job_id) for job_id in ids} == told
    jobs = assert_all_succeeded(house, ids)
    assert {job["attempts"] for job in jobs} == {2}
    assert sleeper.is_alive


@pytest.mark.timeout(300)
def test_a_job_that_kills_its_workers_fails_and_its_companion_pays_once(house: Service) -> None:
    worker = house.start_worker()
    deadly = processing(house, num_images=7)
    companion = processing(house, num_images=1)
    assert set(held(house)) == {deadly, companion}
    lease = recorded(house, deadly, "lease")
    worker.kill()
    newcomer = house.submit(num_inference_steps=2)["id"]

    for _ in range(2, MAX_ATTEMPTS + 1):
        worker = house.start_worker(wait=False)
        eventually(lambda old=lease: recorded(house, deadly, "lease") != old, timeout_s=40)
        lease = recorded(house, deadly, "lease")
        assert held(house) == [deadly]
        worker.kill()
    house.start_worker(wait=False)

    job = house.finished(deadly)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "worker_lost"
    assert job["attempts"] == MAX_ATTEMPTS
    assert_well_told(events(house.store.redis, deadly))
    spared, unharmed = assert_all_succeeded(house, [companion, newcomer])
    assert (spared["attempts"], unharmed["attempts"]) == (2, 1)
