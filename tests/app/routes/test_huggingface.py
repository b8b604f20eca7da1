"""The Hub's dialect on the wire: bytes out, and errors where its client looks."""

from typing import Any

import httpx
import pytest

from tests.app.front_end import FrontEnd
from tests.service import eventually

PATH = "/hf/models/default"
BODY: dict[str, Any] = {"inputs": "a red heart", "parameters": {}}


@pytest.mark.parametrize("accept", ["image/png", "*/*", "image/webp,image/png;q=0.8", "image/jpeg"])
def test_the_answer_is_the_file_itself(front_end: FrontEnd, accept: str) -> None:
    with front_end.asking(PATH, BODY, Accept=accept) as (answer, job_id):
        lease = front_end.worker.take(job_id)
        file = front_end.worker.store_image(job_id, lease)
        front_end.worker.succeed(job_id, lease)

    said = answer.result()
    wanted = accept.partition(",")[0] if accept != "*/*" else "image/png"
    assert said.content == file
    assert said.headers["content-type"] == wanted
    assert said.headers["x-job-id"] == job_id
    assert said.headers["x-seed"] == str(front_end.get(job_id)["request"]["seed"])


def test_every_parameter_arrives_in_the_job(front_end: FrontEnd) -> None:
    asked = {
        "negative_prompt": "blue",
        "width": 128,
        "height": 64,
        "num_inference_steps": 5,
        "guidance_scale": 2.5,
        "scheduler": "euler",
        "seed": 9,
    }

    answer = front_end.ask(PATH, {**BODY, "parameters": asked})

    job = front_end.get(answer.headers["x-job-id"])
    assert {name: job["request"][name] for name in asked} == asked


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": ""}, "inputs: "),
        ({"parameters": {}}, "inputs: "),
        ({**BODY, "parameters": {"width": 1_024}}, "parameters.width: "),
        ({**BODY, "parameters": {"scheduler": "nope"}}, "parameters.scheduler: "),
        ({**BODY, "parameters": {"strength": 1}}, "strength: "),
    ],
)
def test_what_cannot_be_is_said_in_body_and_header(
    front_end: FrontEnd, body: dict[str, Any], said: str
) -> None:
    answer = front_end.http.post(PATH, json=body)

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(said)
    assert answer.headers["x-error-message"].startswith(said)
    assert answer.headers["x-request-id"]


def test_an_unknown_model_is_not_found(front_end: FrontEnd) -> None:
    answer = front_end.http.post("/hf/models/stability/sdxl", json=BODY)

    assert answer.status_code == 404
    assert answer.json()["error"] == (
        "There is no model 'stability/sdxl'; model: unknown; there are: default"
    )


def test_a_failed_job_is_an_error_with_its_reason(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, BODY) as (answer, job_id):
        front_end.fail(job_id, front_end.worker.take(job_id), "no luck")

    assert answer.result().status_code == 500
    assert "no luck" in answer.result().headers["x-error-message"]


def test_a_client_that_hangs_up_takes_its_job_with_it(front_end: FrontEnd) -> None:
    with pytest.raises(httpx.ReadTimeout):
        front_end.http.post(PATH, json=BODY, timeout=1)

    (job,) = front_end.jobs()
    eventually(lambda: front_end.get(job["id"])["status"] == "canceled")
