"""Every bound of the request table, at the edge, and what a job looks like outside."""

from typing import Any

import pytest
from dirty_equals import IsPartialDict
from pydantic import ValidationError

from app.errors import InvalidRequest
from app.jobs.spec import MAX_SEED, OutputFormat, Priority
from app.schemas import Submission
from tests.app.front_end import MODEL, FrontEnd, assert_problem

NAN, INFINITY = float("nan"), float("inf")

REFUSED: list[tuple[str, Any]] = [
    ("prompt", ""),
    ("prompt", "  \n\t "),
    ("prompt", "\u2003"),
    ("prompt", "a" * 2_001),
    ("prompt", "a\x00b"),
    ("prompt", 5),
    ("prompt", None),
    ("prompt", ["a"]),
    ("negative_prompt", "a" * 2_001),
    ("negative_prompt", "\x00"),
    ("model", "unheard-of"),
    ("model", ""),
    ("model", 1),
    ("width", 63),
    ("width", 65),
    ("width", 136),
    ("width", 0),
    ("width", -64),
    ("width", 2**63),
    ("width", 64.5),
    ("width", "64"),
    ("height", 72.1),
    ("height", 136),
    ("height", True),
    ("num_images", 0),
    ("num_images", 9),
    ("num_images", True),
    ("num_inference_steps", 0),
    ("num_inference_steps", 151),
    ("guidance_scale", -0.1),
    ("guidance_scale", 30.1),
    ("guidance_scale", "5"),
    ("guidance_scale", True),
    ("scheduler", "unheard-of"),
    ("scheduler", ""),
    ("seed", -1),
    ("seed", 2**53),
    ("seed", 2**63),
    ("seed", "7"),
    ("output_format", "gif"),
    ("output_format", "PNG"),
    ("output_quality", 0),
    ("output_quality", 101),
    ("priority", "urgent"),
    ("deadline_s", 0.9),
    ("deadline_s", 86_401),
    ("metadata", {str(n): "" for n in range(17)}),
    ("metadata", {"key": "a" * 513}),
    ("metadata", {"key": 1}),
    ("metadata", {"key": "\x00"}),
    ("metadata", {"\x00": "value"}),
    ("metadata", {"": "value"}),
    ("metadata", {"k" * 513: "value"}),
    ("metadata", []),
    ("webhook", "https://hooks.example/"),
    ("webhook", {}),
    ("webhook", {"url": ""}),
    ("webhook", {"url": "hooks.example"}),
    ("webhook", {"url": "/hook"}),
    ("webhook", {"url": "ftp://hooks.example/"}),
    ("webhook", {"url": "file:///etc/passwd"}),
    ("webhook", {"url": "http://"}),
    ("webhook", {"url": "http://:80/"}),
    ("webhook", {"url": "http://hooks.example:99999/"}),
    ("webhook", {"url": "http://name:word@hooks.example/"}),
    ("webhook", {"url": "http://name@hooks.example/"}),
    ("webhook", {"url": "http://hooks.example/a b"}),
    ("webhook", {"url": "http://hooks.example/\r\nX: y"}),
    ("webhook", {"url": "http:\\\\hooks.example\\"}),
    ("webhook", {"url": "http://hooks.example/\x00"}),
    ("webhook", {"url": "http://hooks.example/" + "a" * 2_048}),
    ("webhook", {"url": "http://hooks.example/", "events": []}),
    ("webhook", {"url": "http://hooks.example/", "events": ["succeeded"]}),
    ("webhook", {"url": "http://hooks.example/", "events": ["job.queued"]}),
    ("webhook", {"url": "http://hooks.example/", "events": "job.succeeded"}),
    ("webhook", {"url": "http://hooks.example/", "events": ["job.failed", "job.failed"]}),
    ("webhook", {"url": "http://hooks.example/", "secret": "a"}),
    ("steps", 5),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_field(
    field: str, value: Any, front_end: FrontEnd
) -> None:
    answer = front_end.post(**{field: value})

    problem = assert_problem(answer, 422, "invalid_request")
    assert {error["field"].partition(".")[0] for error in problem["errors"]} == {field}


ACCEPTED: list[tuple[str, Any]] = [
    ("prompt", "a"),
    ("prompt", "a" * 2_000),
    ("prompt", "红色的心 ❤️"),
    ("negative_prompt", "a" * 2_000),
    ("model", "default"),
    ("width", 64),
    ("width", 128),
    ("height", 72),
    ("num_images", 1),
    ("num_images", 8),
    ("num_inference_steps", 1),
    ("num_inference_steps", 150),
    ("guidance_scale", 0),
    ("guidance_scale", 0.5),
    ("guidance_scale", 30),
    ("scheduler", "euler"),
    ("seed", 0),
    ("seed", MAX_SEED),
    ("output_format", "webp"),
    ("output_quality", 1),
    ("output_quality", 100),
    ("priority", "low"),
    ("deadline_s", 1),
    ("deadline_s", 86_400),
    ("metadata", {str(n): "a" * 512 for n in range(16)}),
    ("webhook", None),
    ("webhook", {"url": "https://hooks.example", "events": ["job.processing", "job.failed"]}),
    ("webhook", {"url": "http://bücher.example:8080/a?b=c#d", "events": ["job.succeeded"]}),
    ("webhook", {"url": "http://[2001:4860:4860::8888]/", "events": ["job.canceled"]}),
]


@pytest.mark.parametrize(("field", "value"), ACCEPTED)
def test_a_value_at_its_bound_is_taken_and_echoed(
    field: str, value: Any, front_end: FrontEnd
) -> None:
    job = front_end.submit(**{field: value})

    assert job["request"][field] == value


def test_a_prompt_is_required(front_end: FrontEnd) -> None:
    problem = assert_problem(front_end.http.post("/v1/jobs", json={}), 422, "invalid_request")

    assert [error["field"] for error in problem["errors"]] == ["prompt"]


def test_all_wrong_fields_are_named_at_once(front_end: FrontEnd) -> None:
    problem = assert_problem(front_end.post(width=1, seed=-1), 422, "invalid_request")

    assert {error["field"] for error in problem["errors"]} == {"width", "seed"}


def test_all_fields_that_the_model_refuses_are_named_at_once(front_end: FrontEnd) -> None:
    answer = front_end.post(width=1024, height=68, scheduler="unheard-of")

    problem = assert_problem(answer, 422, "invalid_request")
    assert {error["field"] for error in problem["errors"]} == {"width", "height", "scheduler"}


def test_what_is_left_out_the_model_decides() -> None:
    spec = Submission(prompt="a red heart").to_spec(MODEL)

    assert (spec.model, spec.width, spec.height) == ("default", 64, 64)
    assert (spec.num_inference_steps, spec.guidance_scale, spec.scheduler) == (20, 5.0, "ddim")
    assert (spec.num_images, spec.output_format) == (1, OutputFormat.PNG)
    assert (spec.priority, spec.deadline_s) == (Priority.NORMAL, None)


def test_a_null_is_as_good_as_nothing() -> None:
    left_open = Submission.model_validate(
        {"prompt": "a", "width": None, "scheduler": None, "guidance_scale": None, "seed": None}
    )

    assert left_open.to_spec(MODEL).width == MODEL.native_size


def test_zero_is_a_value_and_not_a_gap() -> None:
    spec = Submission(prompt="a", seed=0, guidance_scale=0).to_spec(MODEL)

    assert (spec.seed, spec.guidance_scale) == (0, 0.0)


def test_seeds_are_drawn_anew_and_leave_room_for_eight_images() -> None:
    seeds = {Submission(prompt="a").to_spec(MODEL).seed for _ in range(50)}

    assert len(seeds) == 50
    assert all(0 <= seed <= MAX_SEED - 7 for seed in seeds)


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("field", ["guidance_scale", "deadline_s"])
def test_numbers_that_are_none_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Submission.model_validate({"prompt": "a", field: value})


def test_the_last_images_seed_stays_exact() -> None:
    with pytest.raises(InvalidRequest, match="seed"):
        Submission(prompt="a", seed=MAX_SEED, num_images=2).to_spec(MODEL)


def test_a_job_outside_shows_every_part_of_the_contract(front_end: FrontEnd) -> None:
    job = front_end.submit(seed=7, metadata={"order": "12"})

    assert job == IsPartialDict(
        object="job",
        status="queued",
        started_at=None,
        finished_at=None,
        progress={"step": 0, "total_steps": 20, "fraction": 0.0},
        queue={"position": 0, "eta_s": 0.5},
        images=[],
        error=None,
        attempts=0,
        metadata={"order": "12"},
        warnings=[],
        urls={
            "self": f"{front_end.url}/v1/jobs/{job['id']}",
            "cancel": f"{front_end.url}/v1/jobs/{job['id']}/cancel",
            "events": f"{front_end.url}/v1/jobs/{job['id']}/events",
        },
    )
    assert set(job["request"]) >= set(Submission.model_fields)
    assert job["created_at"].endswith("Z")


def test_a_finished_job_shows_its_pictures_and_times(front_end: FrontEnd) -> None:
    job_id = front_end.submit(seed=7, num_images=3, output_format="webp")["id"]
    front_end.worker.draw(job_id)

    job = front_end.get(job_id)

    assert job["status"] == "succeeded"
    assert job["progress"] == {"step": 20, "total_steps": 20, "fraction": 1.0}
    assert job["queue"] is None
    assert job["attempts"] == 1
    assert [(image["index"], image["seed"]) for image in job["images"]] == [(0, 7), (1, 8), (2, 9)]
    assert all(image["content_type"] == "image/webp" for image in job["images"])
    assert not any("key" in image for image in job["images"])
    metrics = job["metrics"]
    assert metrics["total_s"] == pytest.approx(metrics["queue_s"] + metrics["generation_s"])
    assert metrics["engine_s"] == 0.25


def test_a_failed_job_says_why(front_end: FrontEnd) -> None:
    from app.jobs.job import FailureCode

    job_id = front_end.submit()["id"]
    lease = front_end.worker.take(job_id)
    front_end.services.store.failed(job_id, lease, FailureCode.OUT_OF_MEMORY, "Too large.")

    job = front_end.get(job_id)

    assert job["status"] == "failed"
    assert job["error"] == {"code": "out_of_memory", "message": "Too large."}


def test_a_webhook_is_told_of_the_end_unless_it_says_otherwise(front_end: FrontEnd) -> None:
    job = front_end.submit(webhook={"url": "https://hooks.example/"})

    assert job["request"]["webhook"] == {
        "url": "https://hooks.example/",
        "events": ["job.succeeded", "job.failed", "job.canceled"],
    }


def test_a_wrong_webhook_names_the_field_within_it(front_end: FrontEnd) -> None:
    answer = front_end.post(webhook={"url": "ftp://a", "events": ["nothing"]})

    problem = assert_problem(answer, 422, "invalid_request")
    assert {error["field"] for error in problem["errors"]} == {"webhook.url", "webhook.events.0"}
