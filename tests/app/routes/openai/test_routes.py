"""OpenAI's dialect on the wire: their words in, their answer out."""

import base64
import time
from typing import Any

import httpx
import pytest

from tests.app.front_end import FrontEnd
from tests.service import Json, eventually

PATH = "/v1/images/generations"
PROMPT = {"prompt": "a red heart"}


def refused(front_end: FrontEnd, body: Any, status: int = 400) -> Json:
    """The error object of a request that makes no job."""
    answer = front_end.http.post(PATH, json=body)
    assert answer.status_code == status, answer.text
    assert front_end.jobs() == []
    return answer.json()["error"]


def test_the_smallest_body_gives_a_picture_as_base64(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, PROMPT) as (answer, job_id):
        lease = front_end.worker.take(job_id)
        file = front_end.worker.store_image(job_id, lease)
        front_end.worker.succeed(job_id, lease)

    said = answer.result()
    job = front_end.get(job_id)
    assert said.headers["x-job-id"] == job_id
    assert said.json() == {
        "created": pytest.approx(time.time(), abs=20),
        "data": [
            {"b64_json": base64.b64encode(file).decode(), "seed": job["request"]["seed"]},
        ],
        "size": "64x64",
        "output_format": "png",
        "background": "opaque",
        "id": job_id,
        "warnings": [],
    }


def test_every_field_arrives_in_the_job(front_end: FrontEnd) -> None:
    said = front_end.ask(
        PATH,
        {
            **PROMPT,
            "model": "default",
            "n": 2,
            "size": "128x64",
            "response_format": "url",
            "output_format": "webp",
            "output_compression": 70,
            "user": "somebody",
            "seed": 7,
            "steps": 5,
            "guidance": 2.5,
            "scheduler": "euler",
            "negative_prompt": "blue",
            "deadline_s": 600,
        },
    ).json()

    job = front_end.get(said["id"])
    asked = {
        "num_images": 2,
        "width": 128,
        "height": 64,
        "output_format": "webp",
        "output_quality": 70,
        "seed": 7,
        "num_inference_steps": 5,
        "guidance_scale": 2.5,
        "scheduler": "euler",
        "negative_prompt": "blue",
        "deadline_s": 600,
        "metadata": {"user": "somebody"},
    }
    assert {name: job["request"][name] for name in asked} == asked
    assert [datum["seed"] for datum in said["data"]] == [7, 8]
    assert [datum["url"] for datum in said["data"]] == [image["url"] for image in job["images"]]
    for datum in said["data"]:
        assert httpx.get(datum["url"]).headers["content-type"] == "image/webp"


@pytest.mark.parametrize("size", ["1024x1024", "512x512"])
def test_a_size_beyond_the_model_is_drawn_at_its_own_and_said(
    front_end: FrontEnd, size: str
) -> None:
    said = front_end.ask(PATH, {**PROMPT, "size": size, "quality": "hd", "style": "vivid"}).json()

    assert said["size"] == "64x64"
    assert said["warnings"] == [
        "quality: 'hd' is not heeded",
        "style: 'vivid' is not heeded",
        f"size: model 'default' does not draw {size}; drawn: 64x64",
    ]


def test_what_cannot_be_heeded_without_harm_says_nothing(front_end: FrontEnd) -> None:
    body = {**PROMPT, "size": "auto", "quality": "auto", "moderation": "low", "background": "auto"}

    assert front_end.ask(PATH, body).json()["warnings"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", None),
        ("prompt", "x" * 2_001),
        ("n", 9),
        ("n", 0),
        ("n", "3"),
        ("size", "64"),
        ("size", "0x64"),
        ("size", "64 x 64"),
        ("size", 64),
        ("model", "dall-e-3"),
        ("response_format", "file"),
        ("output_format", "gif"),
        ("output_format", "svg"),
        ("output_compression", 101),
        ("background", "transparent"),
        ("partial_images", 4),
        ("seed", -1),
        ("num_inference_steps", 0),
        ("guidance_scale", 31),
        ("scheduler", "nope"),
        ("complexity", 3),
        ("frame_count", 2),
        ("svg", {}),
    ],
)
def test_what_cannot_be_is_named(front_end: FrontEnd, field: str, value: Any) -> None:
    error = refused(front_end, {**PROMPT, field: value})

    assert error["param"] == field
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("body", ["{", "[]", '"a"', "null", ""])
def test_what_is_no_object_is_refused(front_end: FrontEnd, body: str) -> None:
    answer = front_end.http.post(PATH, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations"])
def test_pictures_as_input_are_refused_in_the_dialect(front_end: FrontEnd, path: str) -> None:
    files = {"image[]": ("a.png", b"..."), "mask": ("b.png", b"...")}
    answer = front_end.http.post(path, files=files, data=PROMPT)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_supported"


def test_a_failed_job_is_an_error_that_is_not_to_be_tried_again(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, PROMPT) as (answer, job_id):
        lease = front_end.worker.take(job_id)
        front_end.fail(job_id, lease, "the device caught fire")

    said = answer.result()
    assert said.status_code == 500
    assert said.json()["error"]["code"] == "generation_failed"
    assert "the device caught fire" in said.json()["error"]["message"]
    assert said.headers["x-should-retry"] == "false"
    assert said.headers["x-job-id"] == job_id


def test_a_job_canceled_natively_ends_the_call(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, PROMPT) as (answer, job_id):
        front_end.http.post(f"/v1/jobs/{job_id}/cancel")

    said = answer.result()
    assert said.status_code == 409
    assert said.json()["error"]["code"] == "canceled"
    assert said.headers["x-should-retry"] == "false"


def test_a_client_that_hangs_up_takes_its_job_with_it(front_end: FrontEnd) -> None:
    with pytest.raises(httpx.ReadTimeout):
        front_end.http.post(PATH, json=PROMPT, timeout=0.5)

    (job,) = front_end.jobs()
    eventually(lambda: front_end.get(job["id"])["status"] == "canceled")


def test_a_client_that_can_come_back_by_its_key_finds_its_job(front_end: FrontEnd) -> None:
    key = {"Idempotency-Key": "again"}
    with pytest.raises(httpx.ReadTimeout):
        front_end.http.post(PATH, json=PROMPT, headers=key, timeout=0.5)
    (job,) = front_end.jobs()
    front_end.worker.draw(job["id"])

    said = front_end.http.post(PATH, json=PROMPT, headers=key)

    assert said.json()["id"] == job["id"]
    assert len(front_end.jobs()) == 1
    other = front_end.http.post(PATH, json={"prompt": "another"}, headers=key)
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_mismatch"
