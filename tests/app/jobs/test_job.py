"""Records and events as data."""

import json

import pytest

from app.jobs.job import Job, JobEvent, JobStatus, StoredImage, is_job_id
from tests.app.front_end import make_job


def picture(index: int) -> StoredImage:
    return StoredImage(
        index=index,
        key=f"a/{index}.png",
        seed=index,
        width=64,
        height=64,
        content_type="image/png",
        bytes=1,
        sha256="0",
    )


def test_a_new_job_survives_its_record() -> None:
    job = make_job(prompt="a\nb", deadline_s=5).model_copy(update={"metadata": {"é": '"'}})

    assert Job.from_record(job.to_record()) == job


def test_pictures_are_fields_of_their_own_and_come_in_order() -> None:
    record = make_job().to_record()
    record |= {f"image:{index}": picture(index).model_dump_json() for index in (2, 0, 1)}

    assert Job.from_record(record).images == [picture(0), picture(1), picture(2)]


def test_what_a_worker_adds_is_read_back() -> None:
    record = make_job().to_record() | {
        "status": "failed",
        "lease": "abc",
        "attempts": "3",
        "step": "7",
        "is_cancel_requested": "1",
        "engine_s": "0.25",
        "error": json.dumps({"code": "worker_lost", "message": "why"}),
    }

    job = Job.from_record(record)

    assert (job.lease, job.attempts, job.step, job.engine_s) == ("abc", 3, 7, 0.25)
    assert job.is_cancel_requested
    assert job.error
    assert job.error.code == "worker_lost"


def test_statuses_know_whether_they_are_the_end() -> None:
    ends = {status for status in JobStatus if status.is_terminal}

    assert ends == {"succeeded", "failed", "canceled"}


def test_only_events_of_status_carry_a_job() -> None:
    job = make_job()
    queued = JobEvent(id="1-0", type="queued", data=job.to_record())
    progress = JobEvent(id="2-0", type="progress", data={"step": 1})

    assert queued.job == job
    assert progress.job is None
    assert not queued.is_terminal
    assert JobEvent(id="3-0", type="canceled", data={}).is_terminal


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("9d33942d195f49f2b3dc913c5d40d15e", True),
        ("0" * 32, True),
        ("0" * 31, False),
        ("0" * 33, False),
        ("A" * 32, False),
        ("0" * 32 + "\n", False),
        ("0" * 32 + ":events", False),
        ("\u0660" * 32, False),
        ("", False),
    ],
)
def test_an_id_is_32_hexadecimal_digits(text: str, is_one: bool) -> None:
    assert is_job_id(text) is is_one
