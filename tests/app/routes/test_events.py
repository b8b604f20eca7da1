"""Server-sent events over real HTTP: resumed, awake, ended."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import httpx
import pytest

from app import translation
from app.client import Event
from app.jobs.job import JobEvent
from app.links import Links
from app.routes import events
from tests.app.front_end import FrontEnd, HandWorker

LIFE = ["queued", "processing", *["progress"] * 20, "image", "succeeded"]


def drive(worker: HandWorker, job_id: str, pause_s: float = 0.0) -> None:
    lease = worker.take(job_id)
    for step in range(1, 21):
        worker.step(job_id, lease, step)
        time.sleep(pause_s)
    worker.store_image(job_id, lease)
    worker.succeed(job_id, lease)


def test_the_stream_tells_the_whole_life_and_closes(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    driving = threading.Timer(0.2, drive, (front_end.worker, job_id))
    driving.start()

    with front_end.http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        text = answer.read().decode()
    driving.join()

    told = [line.removeprefix("event: ") for line in text.splitlines() if "event: " in line]
    assert told == LIFE


def test_events_carry_what_the_contract_says(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    drive(front_end.worker, job_id)

    story = {event.type: event.data for event in front_end.events(job_id)}

    assert story["queued"]["status"] == "queued"
    assert story["progress"] == {"step": 20, "total_steps": 20, "fraction": 1.0}
    assert httpx.get(story["image"]["url"]).status_code == 200
    assert "key" not in story["image"]
    done = front_end.get(job_id)
    assert story["succeeded"] == done
    assert story["image"] == done["images"][0]


def test_a_client_that_drops_three_times_sees_every_event_once(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    driving = threading.Thread(target=drive, args=(front_end.worker, job_id, 0.03))
    driving.start()

    seen, last = list[Event](), None
    for part in (3, 5, 4, None):  # it hangs up within the story, thrice
        with front_end.following(job_id, last) as story:
            seen += islice(story, part)
        last = seen[-1].id
    driving.join()

    assert [event.type for event in seen] == LIFE
    assert len({event.id for event in seen}) == len(seen)
    steps = [event.data["step"] for event in seen if event.type == "progress"]
    assert steps == list(range(1, 21))


def test_a_late_resume_gets_the_rest_and_a_later_one_nothing(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    drive(front_end.worker, job_id)
    story = front_end.events(job_id)

    assert front_end.events(job_id, story[9].id) == story[10:]
    began = time.monotonic()
    assert front_end.events(job_id, story[-1].id) == []
    assert time.monotonic() - began < 2


@pytest.mark.timeout(60)
def test_two_hundred_followers_of_one_job_all_see_it_end(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    limits = httpx.Limits(max_connections=200)
    with (
        httpx.Client(base_url=front_end.url, limits=limits, timeout=20) as http,
        ThreadPoolExecutor(200) as pool,
    ):

        def follow(_: int) -> str:
            return http.get(f"/v1/jobs/{job_id}/events").text

        following = pool.map(follow, range(200))
        time.sleep(1)
        drive(front_end.worker, job_id)
        for text in following:
            assert text.count("event: ") == len(LIFE)
            assert "event: succeeded" in text


def test_a_quiet_stream_is_kept_awake_by_comments(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "QUIET_S", 0.1)
    job_id = front_end.submit()["id"]

    with front_end.http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        comments = (line for line in answer.iter_lines() if line.startswith(":"))
        assert list(islice(comments, 3)) == [": still here"] * 3


@pytest.mark.parametrize("taken", [False, True])
def test_erasing_a_job_ends_the_streams_of_its_followers(taken: bool, front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    if taken:
        front_end.worker.take(job_id)
    erasing = threading.Timer(0.3, lambda: front_end.http.delete(f"/v1/jobs/{job_id}"))
    erasing.start()

    began = time.monotonic()
    told = [event.type for event in front_end.events(job_id)]
    erasing.join()

    assert told[-1] == "canceled"
    assert time.monotonic() - began < 3


def test_a_stream_whose_job_vanished_silently_ends_too(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "QUIET_S", 0.1)
    job_id = front_end.submit()["id"]
    vanishing = threading.Timer(0.3, front_end.services.redis.flushall)
    vanishing.start()

    assert [event.type for event in front_end.events(job_id)] == ["queued"]
    vanishing.join()


def test_a_cancel_is_the_last_event(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    canceling = threading.Timer(0.2, lambda: front_end.http.post(f"/v1/jobs/{job_id}/cancel"))
    canceling.start()

    assert [event.type for event in front_end.events(job_id)] == ["queued", "canceled"]
    canceling.join()


def test_no_text_of_a_client_can_forge_an_event(front_end: FrontEnd) -> None:
    forged = "a\n\nevent: succeeded\ndata: {}\n\n\u2028\u0085\r\r"
    job_id = front_end.submit(prompt=forged)["id"]
    front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    story = front_end.events(job_id)

    assert [event.type for event in story] == ["queued", "canceled"]
    assert story[0].data["request"]["prompt"] == forged


def test_an_event_is_rendered_in_the_wires_form(front_end: FrontEnd) -> None:
    event = JobEvent(id="5-0", type="progress", data={"step": 1})

    text = events.render(event, Links("http://a", front_end.services.signer))

    assert text == 'id: 5-0\nevent: progress\ndata: {"step":1}\n\n'
    assert json.loads(text.splitlines()[2].removeprefix("data: ")) == event.data
