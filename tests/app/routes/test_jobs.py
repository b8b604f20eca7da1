"""The native dialect over real HTTP: jobs submitted, awaited, listed, canceled, erased."""

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from app.jobs import keys
from tests.app.front_end import FrontEnd, assert_problem, make_job
from tests.service import Json


def soon(act: Callable[[], object], after_s: float = 0.2) -> threading.Timer:
    timer = threading.Timer(after_s, act)
    timer.start()
    return timer


def test_a_submission_is_accepted_with_its_address_and_a_hint(front_end: FrontEnd) -> None:
    answer = front_end.post()

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == job["urls"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert httpx.get(answer.headers["location"]).json()["id"] == job["id"]


def test_the_hint_grows_with_the_queue(front_end: FrontEnd) -> None:
    for _ in range(9):
        front_end.submit()

    answer = front_end.post()

    assert answer.json()["queue"] == {"position": 9, "eta_s": 5.0}
    assert answer.headers["retry-after"] == "5"


def test_a_wait_that_sees_the_end_answers_with_it(front_end: FrontEnd) -> None:
    queued: list[Json] = []

    def draw() -> None:
        queued.extend(front_end.http.get("/v1/jobs").json()["data"])
        front_end.worker.draw(queued[0]["id"])

    timer = soon(draw)
    began = time.monotonic()
    answer = front_end.post(headers={"Prefer": "wait=8"})
    timer.join()

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=8"
    assert answer.json()["status"] == "succeeded"
    assert "retry-after" not in answer.headers
    assert time.monotonic() - began < 3


def test_a_wait_that_runs_out_answers_with_what_there_is(front_end: FrontEnd) -> None:
    began = time.monotonic()
    answer = front_end.post(headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.json()["status"] == "queued"
    assert 0.9 < time.monotonic() - began < 3


def test_a_read_may_wait_for_the_end_too(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    timer = soon(lambda: front_end.worker.draw(job_id))

    answer = front_end.http.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=8"})
    timer.join()

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=8"
    assert answer.json()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"),
        ("wait=0", "wait=0"),
        ("respond-async, wait=10", "wait=10"),
        ("wait = 7; foo", "wait=7"),
        ('wait="7"', "wait=7"),
        ("wait=3600", "wait=60"),
        ("wait", "wait=60"),
    ],
)
def test_a_wait_is_bounded_and_said(prefer: str, applied: str, front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    front_end.worker.draw(job_id)

    answer = front_end.http.get(f"/v1/jobs/{job_id}", headers={"Prefer": prefer})

    assert answer.headers["preference-applied"] == applied


def test_a_wait_for_a_job_that_is_erased_ends_with_it(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    timer = soon(lambda: front_end.http.delete(f"/v1/jobs/{job_id}"))

    began = time.monotonic()
    answer = front_end.http.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=8"})
    timer.join()

    if answer.status_code == 200:  # read between its end and its being forgotten
        assert answer.json()["status"] == "canceled"
    else:
        assert_problem(answer, 404, "not_found")
    assert time.monotonic() - began < 3


def test_a_listing_has_the_newest_first_and_goes_on_at_its_cursor(front_end: FrontEnd) -> None:
    ids = [front_end.submit()["id"] for _ in range(7)]

    found, cursor = list[str](), None
    while True:
        query: dict[str, str | int] = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = front_end.http.get("/v1/jobs", params=query).json()
        found += [job["id"] for job in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert found == ids[::-1]


def test_a_listing_can_be_of_one_status(front_end: FrontEnd) -> None:
    ids = [front_end.submit()["id"] for _ in range(4)]
    front_end.worker.draw(ids[1])
    front_end.worker.take(ids[2])

    def listed(status: str) -> list[str]:
        page = front_end.http.get("/v1/jobs", params={"status": status}).json()
        return [job["id"] for job in page["data"]]

    assert listed("succeeded") == [ids[1]]
    assert listed("processing") == [ids[2]]
    assert listed("queued") == [ids[3], ids[0]]
    assert listed("failed") == []


def test_a_listing_shows_each_jobs_place_in_the_queue(front_end: FrontEnd) -> None:
    for priority in ("normal", "normal", "high"):
        front_end.submit(priority=priority)

    page = front_end.http.get("/v1/jobs").json()

    assert [job["queue"]["position"] for job in page["data"]] == [0, 2, 1]


def test_anothers_job_is_as_unknown_as_none(front_end: FrontEnd) -> None:
    theirs = make_job(owner="somebody-else")
    front_end.services.door.admit(theirs, None, ["default"])
    path = f"/v1/jobs/{theirs.id}"

    assert_problem(front_end.http.get(path), 404, "not_found")
    assert_problem(front_end.http.get(f"{path}/events"), 404, "not_found")
    assert_problem(front_end.http.post(f"{path}/cancel"), 404, "not_found")
    assert_problem(front_end.http.delete(path), 404, "not_found")
    assert front_end.http.get("/v1/jobs").json()["data"] == []
    assert front_end.worker.job(theirs.id).status == "queued"


def test_a_queued_job_is_canceled_at_once_and_leaves_the_queue(front_end: FrontEnd) -> None:
    keep, drop = front_end.submit()["id"], front_end.submit()["id"]

    answer = front_end.http.post(f"/v1/jobs/{drop}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "canceled"
    assert answer.json()["finished_at"]
    assert front_end.services.queues.waiting(["default"]) == 1
    assert front_end.services.redis.lrange("rq:queue:normal:default", 0, -1) == [keep.encode()]
    assert front_end.services.redis.exists(f"rq:job:{drop}") == 0


def test_a_job_in_work_is_asked_to_stop(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    front_end.worker.take(job_id)

    answer = front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "processing"
    assert front_end.worker.job(job_id).is_cancel_requested


def test_a_job_that_has_ended_is_left_as_it_is_by_a_cancel(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    front_end.worker.draw(job_id)
    before = front_end.get(job_id)

    answer = front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    assert answer.status_code == 200
    assert answer.json() == before == front_end.get(job_id)


def test_two_cancels_are_as_good_as_one(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]

    first = front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    assert front_end.http.post(f"/v1/jobs/{job_id}/cancel").json() == first.json()


def test_an_erased_job_leaves_nothing_behind(front_end: FrontEnd) -> None:
    job_id = front_end.submit(num_images=2)["id"]
    front_end.worker.draw(job_id)
    urls = [image["url"] for image in front_end.get(job_id)["images"]]

    answer = front_end.http.delete(f"/v1/jobs/{job_id}")

    assert answer.status_code == 204
    assert answer.content == b""
    assert_problem(front_end.http.get(f"/v1/jobs/{job_id}"), 404, "not_found")
    assert_problem(front_end.http.delete(f"/v1/jobs/{job_id}"), 404, "not_found")
    assert [front_end.http.get(url).status_code for url in urls] == [404, 404]
    assert not [key for key in front_end.services.redis.scan_iter() if job_id in key.decode()]
    assert front_end.services.redis.zcard(keys.owned("anonymous")) == 0


def test_a_queued_job_can_be_erased(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]

    assert front_end.http.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert front_end.services.queues.waiting(["default"]) == 0


def test_a_job_in_work_can_be_erased_and_its_worker_writes_nothing_more(
    front_end: FrontEnd,
) -> None:
    job_id = front_end.submit()["id"]
    lease, job = front_end.worker.take(job_id), front_end.worker.job(job_id)

    assert front_end.http.delete(f"/v1/jobs/{job_id}").status_code == 204

    assert not front_end.services.store.succeeded(job, lease, 0.1)
    assert front_end.services.store.get(job_id) is None


def test_a_model_that_nobody_announced_is_unavailable_when_it_is_ours(
    front_end: FrontEnd,
) -> None:
    front_end.services.redis.flushall()

    answer = front_end.post()

    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
