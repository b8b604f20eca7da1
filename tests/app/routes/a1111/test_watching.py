"""Progress and interrupt are of the caller's own jobs in this dialect."""

import base64
import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from app.jobs.job import Dialect
from app.jobs.previews import Previews
from app.settings import Settings
from app.translation import Wish, take_in
from tests.app.front_end import FrontEnd, serving
from tests.service import Json

ALICE, BOB = "alice-secret-0123456789", "bob-secret-0123456789"
IDLE = {"progress": 0.0, "eta_relative": 0.0, "current_image": None, "textinfo": None}


def job_of(front_end: FrontEnd, owner: str = "anonymous", dialect: Dialect = Dialect.A1111) -> str:
    wish = Wish(dialect, {"prompt": "a red heart"})
    return take_in(front_end.services, owner, front_end.url, wish).id


def progress(front_end: FrontEnd, secret: str | None = None) -> Json:
    auth = ("whoever", secret) if secret else None
    answer = front_end.http.get("/sdapi/v1/progress", auth=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_without_a_job_nothing_goes_on(front_end: FrontEnd) -> None:
    said = progress(front_end)

    assert {name: said[name] for name in IDLE} == IDLE
    assert said["state"]["job_count"] == 0


def test_a_job_that_waits_counts_and_one_that_is_drawn_moves(front_end: FrontEnd) -> None:
    job_id = job_of(front_end)
    said = progress(front_end)
    assert (said["progress"], said["state"]["job_count"], said["textinfo"]) == (0.0, 1, "waiting")

    front_end.worker.step(job_id, front_end.worker.take(job_id), 5)

    said = progress(front_end)
    assert said["progress"] == 0.25
    assert said["eta_relative"] > 0
    assert (
        said["state"]
        | {
            "job": job_id,
            "job_count": 1,
            "sampling_step": 5,
            "sampling_steps": 20,
            "interrupted": False,
        }
        == said["state"]
    )


def test_the_drawn_job_comes_before_an_older_one_that_waits(front_end: FrontEnd) -> None:
    job_of(front_end)
    second = job_of(front_end)
    front_end.worker.take(second)

    assert progress(front_end)["state"]["job"] == second


def test_asking_shows_a_preview_unless_it_is_skipped(front_end: FrontEnd) -> None:
    job_id = job_of(front_end)
    lease = front_end.worker.take(job_id)
    front_end.worker.step(job_id, lease, 5)
    assert progress(front_end)["current_image"] is None
    image = base64.b64encode(b"a small picture").decode()
    previews = Previews(front_end.services.redis)
    assert previews.publish(job_id, lease, {0: f"data:image/jpeg;base64,{image}"})

    assert progress(front_end)["current_image"] == image
    skipped = front_end.http.get("/sdapi/v1/progress", params={"skip_current_image": True})
    assert skipped.json()["current_image"] is None


@pytest.mark.parametrize("action", ["interrupt", "skip"])
def test_interrupt_leaves_jobs_of_other_dialects_alone(front_end: FrontEnd, action: str) -> None:
    native, ours = front_end.submit()["id"], job_of(front_end)

    for _ in range(2):
        answer = front_end.http.post(f"/sdapi/v1/{action}")
        assert (answer.status_code, answer.json()) == (200, {})

    assert front_end.get(ours)["status"] == "canceled"
    assert front_end.get(native)["status"] == "queued"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[FrontEnd]:
    keys = SecretStr(f"alice:{ALICE},bob:{BOB}")
    with serving(settings.model_copy(update={"api_keys": keys})) as front_end:
        front_end.announce()
        yield front_end


def test_each_key_sees_and_interrupts_its_own(guarded: FrontEnd) -> None:
    of_alice, of_bob = job_of(guarded, "alice"), job_of(guarded, "bob")

    assert progress(guarded, ALICE)["state"]["job"] == of_alice
    assert progress(guarded, BOB)["state"]["job"] == of_bob
    guarded.http.post("/sdapi/v1/interrupt", auth=("", BOB))

    assert progress(guarded, BOB)["state"]["job_count"] == 0
    assert progress(guarded, ALICE)["state"]["job"] == of_alice


def test_without_a_key_there_is_an_error_in_the_dialect(guarded: FrontEnd) -> None:
    answer = guarded.http.get("/sdapi/v1/progress", auth=("alice", "wrong-secret-0123456789"))

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json()["error"] == "unauthorized"
    assert json.loads(answer.text)["detail"]


@pytest.mark.parametrize("header", ["", "Basic Og==", "Basic bmFtZTpwYXNz"])
def test_without_keys_any_header_is_let_pass(front_end: FrontEnd, header: str) -> None:
    answer = front_end.http.get("/sdapi/v1/progress", headers={"Authorization": header})

    assert answer.status_code == 200
