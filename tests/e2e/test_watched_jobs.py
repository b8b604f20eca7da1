"""Previews of the running service: drawn while somebody watches, and then no more."""

import base64
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from app.client import Event, read_events
from app.jobs import keys
from tests.service import Service, eventually, lasting

WISH = {"num_inference_steps": 50, "num_images": 2, "scheduler": "ddim"}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Service]:
    """A service with one worker, whose leases outlive a busy machine."""
    with lasting(tmp_path_factory.mktemp("previews"), checkpoint) as service:
        yield service


def test_a_watcher_sees_the_picture_become_and_the_history_does_not_grow(steady: Service) -> None:
    job_id = steady.submit(**WISH)["id"]
    events, seen = list[Event](), list[float]()
    path = f"/v1/jobs/{job_id}/events?previews=true"
    with steady.http.stream("GET", path) as answer:
        for event in read_events(answer.iter_lines()):
            events.append(event)
            if event.type == "preview" and event.data["index"] == 0:
                seen.append(time.monotonic())

    previews = [event.data for event in events if event.type == "preview"]
    assert {preview["index"] for preview in previews} == {0, 1}
    kind, _, encoded = previews[-1]["image"].partition(",")
    picture = Image.open(BytesIO(base64.b64decode(encoded)))
    assert (kind, picture.size) == ("data:image/webp;base64", (32, 32))
    assert len(seen) <= 2 * (seen[-1] - seen[0]) + 2
    assert events[-1].type == "succeeded"
    redis = steady.store.redis
    told = [fields[b"type"] for _, fields in redis.xrange(keys.events(job_id))]
    assert b"preview" not in told
    eventually(lambda: not redis.exists(keys.preview_wish(job_id), keys.previews(job_id)), 30)
