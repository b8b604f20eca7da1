"""The store goes away: a quick 503 that says when to come back, and a service that recovers."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving
from tests.service import Store, eventually

pytestmark = pytest.mark.timeout(40)

NEEDS_STORE = [
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job}"),
    ("POST", "/v1/jobs/{job}/cancel"),
    ("DELETE", "/v1/jobs/{job}"),
    ("GET", "/v1/jobs/{job}/events"),
    ("GET", "/v1/jobs/{job}/deliveries"),
    ("POST", "/v1/jobs/{job}/deliveries/{job}-succeeded/redeliver"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/default"),
    ("GET", "/v1/queue"),
    ("GET", "/readyz"),
]


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    own = Store(tmp_path / "valkey")
    yield own
    own.stop()


@pytest.fixture
def alone(own_store: Store, tmp_path: Path) -> Iterator[FrontEnd]:
    """A front end whose store may be taken away."""
    with serving(Settings(redis_url=own_store.url, data_dir=tmp_path)) as front_end:
        front_end.announce()
        yield front_end


def assert_unavailable(front_end: FrontEnd, job_id: str, within_s: float) -> None:
    """Every path that needs the store says so, all asked at once."""

    def ask(method: str, path: str) -> float:
        body = {"prompt": "a"} if method == "POST" else None
        began = time.monotonic()
        answer = front_end.http.request(method, path.replace("{job}", job_id), json=body)
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        return time.monotonic() - began

    with ThreadPoolExecutor(len(NEEDS_STORE)) as pool:
        assert max(pool.map(ask, *zip(*NEEDS_STORE, strict=True))) < within_s
    assert front_end.http.get("/healthz").status_code == 200


def test_a_dead_store_is_a_503_everywhere_until_it_is_back(
    alone: FrontEnd, own_store: Store
) -> None:
    job_id = alone.submit()["id"]
    time.sleep(1.2)  # the log is on disk within a second

    own_store.kill()
    assert_unavailable(alone, job_id, within_s=3)

    own_store.start()
    eventually(lambda: alone.http.get("/readyz").status_code == 200, 5)
    assert alone.get(job_id)["status"] == "queued"
    assert alone.post().status_code == 202


def test_a_hung_store_is_a_503_everywhere_until_it_goes_on(
    alone: FrontEnd, own_store: Store
) -> None:
    job_id = alone.submit()["id"]
    assert own_store.process is not None

    own_store.process.send_signal(signal.SIGSTOP)
    try:
        assert_unavailable(alone, job_id, within_s=3)
    finally:
        own_store.process.send_signal(signal.SIGCONT)

    eventually(lambda: alone.http.get("/readyz").status_code == 200, 5)
    assert alone.get(job_id)["status"] == "queued"


def test_a_stream_goes_on_when_the_store_is_back(alone: FrontEnd, own_store: Store) -> None:
    job_id = alone.submit()["id"]
    told: list[str] = []
    following = threading.Thread(
        target=lambda: told.extend(event.type for event in alone.events(job_id))
    )
    following.start()
    time.sleep(1.2)

    own_store.kill()
    time.sleep(0.5)
    own_store.start()
    alone.worker.draw(job_id)
    following.join(10)

    assert told == ["queued", "processing", "progress", "progress", "image", "succeeded"]
