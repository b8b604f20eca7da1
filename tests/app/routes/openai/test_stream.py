"""OpenAI's server-sent events: each known to their client, and nothing else."""

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from app.jobs.previews import Previews
from tests.app.front_end import FrontEnd
from tests.service import Json, eventually

PATH = "/v1/images/generations"
BODY = {"prompt": "a red heart", "stream": True}


def data(lines: Iterator[str]) -> Iterator[str]:
    """What stands in the data lines."""
    for line in lines:
        assert line.split(":")[0] in ("", "event", "data")
        if line.startswith("data: "):
            yield line.removeprefix("data: ")


def streamed(front_end: FrontEnd, answer: httpx.Response) -> tuple[str, Iterator[str]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    job_id = answer.headers["x-job-id"]
    assert front_end.get(job_id)
    return job_id, data(answer.iter_lines())


def test_each_picture_is_an_event_and_the_end_is_said(front_end: FrontEnd) -> None:
    body = {**BODY, "n": 2, "seed": 7}
    headers = {"Accept": "application/json"}  # as OpenAI's client does
    with front_end.http.stream("POST", PATH, json=body, headers=headers) as answer:
        job_id, lines = streamed(front_end, answer)
        lease = front_end.worker.take(job_id)
        front_end.worker.step(job_id, lease, 1, 20)
        files = [front_end.worker.store_image(job_id, lease, index) for index in range(2)]
        front_end.worker.succeed(job_id, lease)
        first, second, done = lines

    events: list[Json] = [json.loads(first), json.loads(second)]
    assert done == "[DONE]"
    for index, event in enumerate(events):
        assert event.pop("created_at") > 1_700_000_000
        assert event == {
            "type": "image_generation.completed",
            "b64_json": base64.b64encode(files[index]).decode(),
            "size": "64x64",
            "quality": "auto",
            "background": "opaque",
            "output_format": "png",
            "seed": 7 + index,
        }


@pytest.mark.parametrize("ending", ["failed", "canceled"])
def test_a_bad_ending_is_an_error_event_without_a_type(front_end: FrontEnd, ending: str) -> None:
    with front_end.http.stream("POST", PATH, json=BODY) as answer:
        job_id, lines = streamed(front_end, answer)
        if ending == "failed":
            front_end.fail(job_id, front_end.worker.take(job_id), "no luck")
        else:
            front_end.http.post(f"/v1/jobs/{job_id}/cancel")
        error, done = lines

    assert done == "[DONE]"
    said = json.loads(error)
    assert "type" not in said
    assert said["error"]["code"] == ("generation_failed" if ending == "failed" else "canceled")
    assert job_id in said["error"]["message"]


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_watcher_that_leaves_ends_the_job_unless_it_has_a_key(
    front_end: FrontEnd, is_kept: bool
) -> None:
    headers = {"Idempotency-Key": "mine"} if is_kept else {}
    with front_end.http.stream("POST", PATH, json=BODY, headers=headers) as answer:
        job_id, _ = streamed(front_end, answer)
        lease = front_end.worker.take(job_id)
        front_end.worker.step(job_id, lease, 1)

    job = front_end.worker
    if is_kept:
        front_end.worker.store_image(job_id, lease)
        front_end.worker.succeed(job_id, lease)
        assert front_end.get(job_id)["status"] == "succeeded"
        assert not job.job(job_id).is_cancel_requested
    else:
        eventually(lambda: job.job(job_id).is_cancel_requested)


def test_a_refusal_before_the_stream_is_a_plain_error(front_end: FrontEnd) -> None:
    answer = front_end.http.post(PATH, json={**BODY, "size": "huge"})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "size"


@pytest.mark.parametrize("wanted", [0, 2])
def test_so_many_pictures_on_their_way_come_as_were_asked_for(
    front_end: FrontEnd, wanted: int
) -> None:
    previews = Previews(front_end.services.redis)
    with front_end.http.stream("POST", PATH, json={**BODY, "partial_images": wanted}) as answer:
        job_id, lines = streamed(front_end, answer)
        lease = front_end.worker.take(job_id)
        seen: list[Json] = []
        for shown in range(wanted):
            image = base64.b64encode(b"%d" % shown).decode()
            eventually(
                lambda image=image: previews.publish(
                    job_id, lease, {0: f"data:image/jpeg;base64,{image}"}
                )
            )
            seen.append(json.loads(next(lines)))
        front_end.worker.store_image(job_id, lease)
        front_end.worker.succeed(job_id, lease)
        last, _ = lines

    assert json.loads(last)["type"] == "image_generation.completed"
    for shown, event in enumerate(seen):
        assert event["type"] == "image_generation.partial_image"
        assert event["partial_image_index"] == shown
        assert base64.b64decode(event["b64_json"]) == b"%d" % shown
        assert event["output_format"] == "jpeg"
