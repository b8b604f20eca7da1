"""The service on a bucket: clients fetch pictures there, and its absence costs no job."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.bucket import Bucket
from tests.e2e.witness import assert_all_succeeded, processing, recorded
from tests.service import Service, Store, eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    bucket = Bucket(tmp_path / "bucket")
    yield bucket
    bucket.stop()


def test_a_job_outlasts_its_bucket(
    store: Store, checkpoint: Path, tmp_path: Path, bucket: Bucket
) -> None:
    service = Service(
        store, checkpoint, tmp_path, job_lease_s="2", image_url_ttl_s="8", **bucket.settings
    )
    service.start_api()
    service.start_worker()
    try:
        job = service.finished(service.submit(num_images=2, num_inference_steps=3)["id"])
        image = job["images"][1]
        assert image["url"].startswith(bucket.endpoint)
        assert 0 < seconds_left(image["expires_at"]) <= 8
        answer = httpx.get(image["url"])
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(BytesIO(answer.content)).size == (64, 64)
        assert not any((tmp_path / "images").glob("*/*"))  # nothing passed through a folder

        running = processing(service)
        bucket.process.send_signal(signal.SIGKILL)
        bucket.process.wait()
        eventually(lambda: recorded(service, running, "step") == "150", 60)
        assert service.http.delete(f"/v1/jobs/{job['id']}").status_code == 503
        assert service.job(running)["status"] == "processing"  # it waits with its picture
        bucket.start()
        assert_all_succeeded(service, [running])

        assert eventually(lambda: httpx.get(image["url"]).status_code == 403)
        fresh = service.job(job["id"])["images"][1]["url"]
        assert httpx.get(fresh).status_code == 200
        assert service.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
        assert httpx.get(fresh).status_code == 404
    finally:
        service.stop()


def seconds_left(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
