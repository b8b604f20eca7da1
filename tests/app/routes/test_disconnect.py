"""A client that hangs up while it waits: what becomes of its job."""

import json
import socket

import pytest

from tests.app.front_end import FrontEnd
from tests.service import Json, eventually

NATIVE = ("/v1/jobs", {"prompt": "a red heart"})
INPUT = {"input": {"prompt": "a red heart"}}
WISHES = [
    NATIVE,
    ("/v1/predictions", {**INPUT, "version": "default"}),
    ("/v1/models/darkroom/default/predictions", INPUT),
]


def hang_up_on(front_end: FrontEnd, headers: str, path: str, wish: Json | None) -> str:
    """Ask for a long wait, and leave as soon as the job waits; its id."""
    body, method = (json.dumps(wish).encode(), "POST") if wish else (b"", "GET")
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n{headers}"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front_end.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        job_id = eventually(lambda: newest(front_end))
        eventually(lambda: front_end.services.feed._watchers)
    eventually(lambda: not front_end.services.feed._watchers)
    return job_id


def newest(front_end: FrontEnd) -> str:
    jobs = front_end.http.get("/v1/jobs").json()["data"]
    return jobs[0]["id"] if jobs else ""


@pytest.mark.parametrize(("path", "wish"), WISHES)
def test_a_job_that_nobody_can_ask_for_again_is_canceled(
    front_end: FrontEnd, path: str, wish: Json
) -> None:
    job_id = hang_up_on(front_end, "", path, wish)

    eventually(lambda: front_end.worker.job(job_id).status == "canceled")
    eventually(lambda: front_end.services.queues.waiting(["default"]) == 0)


def test_a_job_in_work_is_stopped_too(front_end: FrontEnd) -> None:
    body = json.dumps({"prompt": "a red heart"}).encode()
    head = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\nContent-Type: application/json"
    head += f"\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front_end.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        job_id = eventually(lambda: newest(front_end))
        front_end.worker.take(job_id)

    eventually(lambda: front_end.worker.job(job_id).is_cancel_requested)


def test_a_job_with_a_key_is_kept(front_end: FrontEnd) -> None:
    job_id = hang_up_on(front_end, "Idempotency-Key: order-1\r\n", *NATIVE)

    assert front_end.worker.job(job_id).status == "queued"
    front_end.worker.draw(job_id)
    again = front_end.post(headers={"Idempotency-Key": "order-1", "Prefer": "wait=5"})
    assert (again.status_code, again.json()["id"]) == (200, job_id)


@pytest.mark.parametrize(("path", "wish"), WISHES[1:])
def test_a_prediction_with_a_key_is_kept(front_end: FrontEnd, path: str, wish: Json) -> None:
    named = {"Idempotency-Key": "order-1", "Prefer": "wait=5"}
    job_id = hang_up_on(front_end, "Idempotency-Key: order-1\r\n", path, wish)

    front_end.worker.draw(job_id)
    again = front_end.http.post(path, json=wish, headers=named).json()
    assert (again["id"], again["status"]) == (job_id, "succeeded")


def test_who_only_looks_on_may_leave(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]

    hang_up_on(front_end, "", f"/v1/jobs/{job_id}", None)

    assert front_end.worker.job(job_id).status == "queued"


def test_a_client_that_stays_gets_its_answer(front_end: FrontEnd) -> None:
    answer = front_end.post(headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert front_end.worker.job(answer.json()["id"]).status == "queued"
