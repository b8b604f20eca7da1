"""Replicate's server-sent events: four names, each with an id."""

import base64
import json

import pytest

from app.client import Event, read_events
from tests.app.front_end import FrontEnd


def create(front_end: FrontEnd) -> str:
    body = {"version": "default", "input": {"prompt": "a red heart", "num_outputs": 2}}
    return front_end.http.post("/v1/predictions", json=body).json()["id"]


def stream(front_end: FrontEnd, job_id: str, **headers: str) -> list[list[str]]:
    """Every event's lines."""
    answer = front_end.http.get(f"/v1/predictions/{job_id}/stream", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [event.splitlines() for event in answer.text.split("\n\n") if event]


def field(event: list[str], name: str) -> str:
    return "\n".join(line.removeprefix(f"{name}: ") for line in event if line.startswith(name))


def test_logs_and_pictures_come_until_it_is_done(front_end: FrontEnd) -> None:
    job_id = create(front_end)
    lease = front_end.worker.take(job_id)
    front_end.worker.step(job_id, lease, 8, 20)
    files = [front_end.worker.store_image(job_id, lease, index) for index in range(2)]
    front_end.worker.succeed(job_id, lease)

    events = stream(front_end, job_id)

    assert all(field(event, "id") for event in events)
    names = [field(event, "event") for event in events]
    assert names == ["logs", "logs", "logs", "output", "output", "done"]
    assert field(events[1], "data") == " 40%|████      | 8/20"
    for event, file in zip(events[3:5], files, strict=True):
        assert field(event, "data") == (f"data:image/png;base64,{base64.b64encode(file).decode()}")
    assert field(events[-1], "data") == "{}"


@pytest.mark.parametrize("ending", ["failed", "canceled"])
def test_a_bad_ending_has_its_reason(front_end: FrontEnd, ending: str) -> None:
    job_id = create(front_end)
    if ending == "failed":
        front_end.fail(job_id, front_end.worker.take(job_id), "no luck")
    else:
        front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    *before, done = stream(front_end, job_id)

    assert field(done, "event") == "done"
    reason = json.loads(field(done, "data"))["reason"]
    if ending == "failed":
        assert reason == "error"
        assert field(before[-1], "event") == "error"
        assert json.loads(field(before[-1], "data")) == {"detail": "no luck"}
    else:
        assert reason == "canceled"


def test_a_stream_goes_on_after_the_last_event_seen(front_end: FrontEnd) -> None:
    job_id = create(front_end)
    front_end.worker.draw(job_id)
    events = stream(front_end, job_id)

    rest = stream(front_end, job_id, **{"Last-Event-ID": field(events[1], "id")})

    assert rest == events[2:]


def test_a_watcher_sees_it_live(front_end: FrontEnd) -> None:
    job_id = create(front_end)
    with front_end.http.stream("GET", f"/v1/predictions/{job_id}/stream") as answer:
        lines = answer.iter_lines()
        lease = front_end.worker.take(job_id)
        seen = [next(lines) for _ in range(3)]
        assert seen[1:] == ["event: logs", f"data: Using seed: {seed(front_end, job_id)}"]
        front_end.worker.step(job_id, lease, 8)
        assert [next(lines) for _ in range(4)][-1] == "data:  40%|████      | 8/20"


def seed(front_end: FrontEnd, job_id: str) -> int:
    return front_end.worker.job(job_id).spec.seed


def test_the_native_stream_of_the_same_job_has_its_own_names(front_end: FrontEnd) -> None:
    job_id = create(front_end)
    front_end.worker.draw(job_id)

    answer = front_end.http.get(f"/v1/jobs/{job_id}/events")
    events: list[Event] = list(read_events(iter(answer.text.split("\n"))))

    assert events[0].type == "queued"
    assert events[-1].type == "succeeded"
