"""Deliveries as clients see them."""

import pytest

from tests.app.front_end import FrontEnd, assert_problem
from tests.app.webhooks.conftest import make_sender, sending
from tests.app.webhooks.receiver import OK, SECRET, receiving
from tests.service import Json, Store, eventually


def deliveries(front_end: FrontEnd, job_id: str) -> list[Json]:
    answer = front_end.http.get(f"/v1/jobs/{job_id}/deliveries")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def settled(front_end: FrontEnd, job_id: str) -> Json:
    def ended() -> Json | None:
        (one,) = deliveries(front_end, job_id)
        return one if one["status"] != "pending" else None

    return eventually(ended, 10)


def test_a_job_without_a_webhook_has_no_deliveries(front_end: FrontEnd) -> None:
    assert deliveries(front_end, front_end.submit_and_draw()) == []


def test_a_delivery_that_waits_says_for_when(front_end: FrontEnd) -> None:
    url = "http://hooks.example/"
    job_id = front_end.submit_and_draw(webhook={"url": url})

    (one,) = deliveries(front_end, job_id)
    assert one == {
        "id": f"{job_id}-succeeded",
        "object": "delivery",
        "type": "job.succeeded",
        "url": url,
        "status": "pending",
        "created_at": one["created_at"],
        "next_attempt_at": one["created_at"],
        "attempts": [],
    }


@pytest.mark.timeout(20)
def test_a_dead_letter_is_seen_and_sent_again(front_end: FrontEnd, store: Store) -> None:
    sender = make_sender(store, SECRET, waits_s=[0.1])
    with receiving((500, {}), (404, {}), OK) as receiver, sending(sender):
        job_id = front_end.submit_and_draw(webhook={"url": receiver.url})
        dead = settled(front_end, job_id)

        assert (dead["status"], dead["next_attempt_at"]) == ("failed", None)
        told = [(one["number"], one["status"], one["response_code"]) for one in dead["attempts"]]
        assert told == [(1, "failed", 500), (2, "failed", 404)]
        assert all(one["at"].endswith("Z") and one["error"] for one in dead["attempts"])

        path = f"/v1/jobs/{job_id}/deliveries/{dead['id']}/redeliver"
        answer = front_end.http.post(path)
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")

        assert settled(front_end, job_id)["status"] == "delivered"
        assert set(receiver.ids) == {dead["id"]}


def test_what_is_not_there_is_not_found(front_end: FrontEnd) -> None:
    job_id = front_end.submit_and_draw(webhook={"url": "http://hooks.example/"})
    other = front_end.submit_and_draw(webhook={"url": "http://hooks.example/"})
    for method, path in (
        ("GET", f"{'0' * 32}/deliveries"),
        ("GET", "nonsense/deliveries"),
        ("POST", f"{job_id}/deliveries/nonsense/redeliver"),
        ("POST", f"{job_id}/deliveries/{other}-succeeded/redeliver"),
        ("POST", f"{job_id}/deliveries/{job_id}-failed/redeliver"),
    ):
        assert_problem(front_end.http.request(method, f"/v1/jobs/{path}"), 404, "not_found")


def test_an_erased_jobs_deliveries_are_gone(front_end: FrontEnd) -> None:
    job_id = front_end.submit_and_draw(webhook={"url": "http://hooks.example/"})
    front_end.http.delete(f"/v1/jobs/{job_id}")

    assert_problem(front_end.http.get(f"/v1/jobs/{job_id}/deliveries"), 404, "not_found")
