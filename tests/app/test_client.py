"""The client of the native API, against the real front end."""

import pytest

from app.client import Client, Event, RequestFailed, read_events
from tests.app.front_end import FrontEnd
from tests.service import free_port


def test_it_submits_follows_and_fetches(front_end: FrontEnd) -> None:
    client = Client(front_end.url)

    job = client.submit({"prompt": "a red heart"})
    front_end.worker.draw(job["id"])
    story = list(client.events(job["id"]))
    done = client.job(job["id"])

    assert [event.type for event in story] == [
        *("queued", "processing", "progress", "progress", "image", "succeeded"),
    ]
    assert list(client.events(job["id"], after=story[3].id)) == story[4:]
    assert client.fetch(done["images"][0]["url"]) == f"{job['id']} 0".encode()
    client.close()


def test_it_cancels(front_end: FrontEnd) -> None:
    client = Client(front_end.url)

    assert client.cancel(client.submit({"prompt": "a"})["id"])["status"] == "canceled"
    client.close()


def test_a_refusal_is_one_line_with_its_reason(front_end: FrontEnd) -> None:
    client = Client(front_end.url)

    with pytest.raises(RequestFailed, match=r"^422: seed: .*$"):
        client.submit({"prompt": "a", "seed": -1})
    with pytest.raises(RequestFailed, match=r"^404: .*$"):
        list(client.events("0" * 32))
    client.close()


def test_no_service_is_one_line_with_its_address() -> None:
    port = free_port()
    client = Client(f"http://127.0.0.1:{port}")

    with pytest.raises(RequestFailed, match=f"127.0.0.1:{port}"):
        client.submit({"prompt": "a"})
    with pytest.raises(RequestFailed, match=f"127.0.0.1:{port}"):
        list(client.events("0" * 32))
    client.close()


def test_comments_and_half_events_are_passed_over() -> None:
    lines = [
        ": still here",
        "",
        "",
        "id: 1-0",
        "event: a",
        'data: {"n":1}',
        "",
        "id: 2-0",
        "data: ",
    ]

    assert list(read_events(iter(lines))) == [Event("1-0", "a", {"n": 1})]
