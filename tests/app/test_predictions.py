"""A job in Replicate's words."""

from datetime import timedelta

import pytest

from app.jobs.job import FailureCode, Job, JobError, JobStatus
from app.links import Links
from app.predictions import full_name, logs_of, prediction, progress_line, status_of
from app.routes.replicate.schemas import DURATION, seconds_of
from tests.app.front_end import FrontEnd, make_job

KNOWN = {"starting", "processing", "succeeded", "failed", "canceled"}


def job_with(**changes: object) -> Job:
    return make_job().model_copy(update=changes)


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_is_one_that_the_client_knows(status: JobStatus) -> None:
    assert status_of(job_with(status=status)) in KNOWN


def test_what_waits_is_starting_and_what_ran_out_of_time_is_canceled() -> None:
    late = JobError(code=FailureCode.DEADLINE_EXCEEDED, message="The deadline passed.")

    assert status_of(job_with(status=JobStatus.QUEUED)) == "starting"
    assert status_of(job_with(status=JobStatus.FAILED, error=late)) == "canceled"


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (1, "  5%|          | 1/20"),
        (8, " 40%|████      | 8/20"),
        (20, "100%|██████████| 20/20"),
    ],
)
def test_progress_looks_like_tqdms(step: int, line: str) -> None:
    assert progress_line(step, 20) == line


def test_logs_tell_the_seed_the_warnings_and_last_the_progress() -> None:
    job = job_with(step=8, warnings=["careful"])

    assert logs_of(job).splitlines() == ["Using seed: 7", "careful", progress_line(8, 20)]


def test_a_model_id_with_a_slash_is_a_full_name_already() -> None:
    assert full_name("default") == "darkroom/default"
    assert full_name("stability-ai/sdxl") == "stability-ai/sdxl"


def test_a_fresh_prediction_has_all_its_fields(front_end: FrontEnd) -> None:
    job = make_job(num_images=2, deadline_s=60)
    made = job.created_at.isoformat().replace("+00:00", "Z")
    late = (job.created_at + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    base = "https://pictures.example"
    assert prediction(job, Links(base, front_end.services.signer)) == {
        "id": job.id,
        "model": "darkroom/default",
        "version": "hidden",
        "status": "starting",
        "input": {
            "prompt": "a red heart",
            "negative_prompt": "",
            "width": 64,
            "height": 64,
            "num_outputs": 2,
            "num_inference_steps": 20,
            "guidance_scale": 5.0,
            "scheduler": "ddim",
            "seed": 7,
            "output_format": "png",
            "output_quality": 90,
        },
        "output": None,
        "error": None,
        "logs": "Using seed: 7",
        "metrics": {},
        "created_at": made,
        "started_at": None,
        "completed_at": None,
        "deadline": late,
        "data_removed": False,
        "urls": {
            "get": f"{base}/v1/predictions/{job.id}",
            "cancel": f"{base}/v1/predictions/{job.id}/cancel",
            "stream": f"{base}/v1/predictions/{job.id}/stream",
            "web": f"{base}/v1/jobs/{job.id}",
        },
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1m", 60), ("1h30m", 5_400), (" 2m5s ", 125)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "1d", "-5s", "1.5m", "5s1m"])
def test_anything_else_is_no_duration(text: str) -> None:
    found = DURATION.fullmatch(text)

    assert not found or not any(found.groups())
