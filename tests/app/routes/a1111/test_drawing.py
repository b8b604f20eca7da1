"""AUTOMATIC1111's txt2img on the wire, with all that its clients send."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.app.front_end import FrontEnd
from tests.service import Json, eventually

PATH = "/sdapi/v1/txt2img"
PROMPT = {"prompt": "a red heart"}
NEUTRAL = {  # what webuiapi sends without being asked
    "enable_hr": False, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0,
    "hr_resize_x": 0, "hr_resize_y": 0, "hr_checkpoint_name": None, "hr_sampler_name": None,
    "hr_scheduler": None, "hr_prompt": "", "hr_negative_prompt": "", "denoising_strength": 0.7,
    "firstphase_width": 0, "firstphase_height": 0, "styles": [], "seed": -1, "subseed": -1,
    "subseed_strength": 0.0, "seed_resize_from_h": 0, "seed_resize_from_w": 0, "batch_size": 1,
    "n_iter": 1, "steps": 20, "cfg_scale": 7.0, "width": 64, "height": 64, "restore_faces": False,
    "tiling": False, "do_not_save_samples": False, "do_not_save_grid": False,
    "negative_prompt": "", "eta": 1.0, "s_churn": 0, "s_tmax": 0, "s_tmin": 0, "s_noise": 1,
    "override_settings": {}, "override_settings_restore_afterwards": True,
    "sampler_name": "Euler", "scheduler": "automatic", "sampler_index": "Euler",
    "script_name": None, "script_args": [], "send_images": True, "save_images": False,
    "alwayson_scripts": {},
}  # fmt: skip


def info(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    said = answer.json()["info"]
    assert isinstance(said, str)
    return json.loads(said)


def test_all_that_a_client_sends_gives_bare_base64_and_a_text_of_json(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, {**NEUTRAL, **PROMPT, "seed": 7, "n_iter": 2}) as (answer, job_id):
        lease = front_end.worker.take(job_id)
        files = [front_end.worker.store_image(job_id, lease, index) for index in range(2)]
        front_end.worker.succeed(job_id, lease)

    said = answer.result()
    assert said.headers["x-job-id"] == job_id
    assert said.json()["images"] == [base64.b64encode(file).decode() for file in files]
    assert said.json()["parameters"]["cfg_scale"] == 7.0
    told = info(said)
    assert told["all_seeds"] == [7, 8]
    assert told["sampler_name"] == "Euler"
    assert told["warnings"] == []
    assert told["infotexts"][1].splitlines()[0] == "a red heart"
    assert "Seed: 8" in told["infotexts"][1]


def test_every_field_arrives_in_the_job(front_end: FrontEnd) -> None:
    body = {
        **PROMPT,
        "negative_prompt": "blue",
        "seed": 3,
        "steps": 5,
        "cfg_scale": 2,
        "width": 128,
        "height": 64,
        "batch_size": 2,
        "n_iter": 3,
        "sampler_name": "Euler",
        "override_settings": {"sd_model_checkpoint": "default"},
    }

    job = front_end.get(front_end.ask(PATH, body).headers["x-job-id"])

    asked = {
        "negative_prompt": "blue",
        "seed": 3,
        "num_inference_steps": 5,
        "guidance_scale": 2,
        "width": 128,
        "height": 64,
        "num_images": 6,
        "scheduler": "euler",
    }
    assert {name: job["request"][name] for name in asked} == asked


def test_what_is_not_done_is_a_warning(front_end: FrontEnd) -> None:
    body = {
        **NEUTRAL,
        **PROMPT,
        "width": 512,
        "height": 512,
        "scheduler": "Karras",
        "enable_hr": True,
        "tiling": True,
        "alwayson_scripts": {"ControlNet": {"args": []}},
    }

    assert info(front_end.ask(PATH, body))["warnings"] == [
        "scheduler: 'karras' is not heeded with this sampler",
        "enable_hr: is not heeded",
        "tiling: is not heeded",
        "alwayson_scripts: is not heeded",
        "size: model 'default' does not draw 512x512; drawn: 64x64",
    ]


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"sampler_name": "Nope"}, 404, "Sampler not found: 'nope'"),
        ({"override_settings": {"sd_model_checkpoint": "nope"}}, 404, "Model not found: 'nope'"),
        ({"steps": 0}, 422, "steps: "),
        ({"cfg_scale": 31}, 422, "cfg_scale: "),
        ({"seed": -2}, 422, "seed: "),
        ({"batch_size": 3, "n_iter": 3}, 422, "batch_size * n_iter: "),
        ({"n_iter": 0}, 422, "n_iter: "),
        ({"prompt": " "}, 422, "prompt: "),
        ({"override_settings": "no"}, 422, "override_settings: "),
    ],
)
def test_what_cannot_be_is_said_in_detail(
    front_end: FrontEnd, changes: Any, status: int, said: str
) -> None:
    answer = front_end.http.post(PATH, json={**NEUTRAL, **PROMPT, **changes})

    assert answer.status_code == status
    assert answer.json()["detail"].startswith(said)
    assert set(answer.json()) == {"error", "detail", "body", "errors"}


@pytest.mark.parametrize("path", ["img2img", "extra-single-image", "interrogate"])
def test_pictures_as_input_are_refused_in_the_dialect(front_end: FrontEnd, path: str) -> None:
    answer = front_end.http.post(f"/sdapi/v1/{path}", json={"init_images": ["..."]})

    assert answer.status_code == 400
    assert answer.json()["error"] == "not_supported"


def test_a_task_id_is_the_jobs_and_finds_it_again(front_end: FrontEnd) -> None:
    task = "0123456789abcdef" * 2
    body = {**PROMPT, "force_task_id": task}

    assert front_end.ask(PATH, body).headers["x-job-id"] == task
    assert front_end.http.post(PATH, json=body).headers["x-job-id"] == task
    assert len(front_end.jobs()) == 1
    other = front_end.http.post(PATH, json={**body, "prompt": "another"})
    assert other.status_code == 422


def test_a_task_id_of_any_form_makes_one_job(front_end: FrontEnd) -> None:
    body = {**PROMPT, "force_task_id": "task(abc123)"}

    first = front_end.ask(PATH, body).headers["x-job-id"]

    assert front_end.http.post(PATH, json=body).headers["x-job-id"] == first


def test_a_task_id_that_is_anothers_job_is_refused(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    front_end.services.redis.hset(f"darkroom:job:{job_id}", "owner", "somebody")

    answer = front_end.http.post(PATH, json={**PROMPT, "force_task_id": job_id})

    assert answer.status_code == 422
    assert answer.json()["detail"] == "force_task_id: is taken"


def test_an_interrupted_call_has_the_pictures_so_far(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, {**PROMPT, "batch_size": 2}) as (answer, job_id):
        lease = front_end.worker.take(job_id)
        front_end.worker.store_image(job_id, lease)
        assert front_end.http.post("/sdapi/v1/interrupt").json() == {}
        assert front_end.worker.job(job_id).is_cancel_requested
        front_end.services.store.canceled(job_id, lease)

    assert len(answer.result().json()["images"]) == 1
    assert info(answer.result())["interrupted"] is True


def test_a_failed_job_is_an_error_with_its_reason(front_end: FrontEnd) -> None:
    with front_end.asking(PATH, PROMPT) as (answer, job_id):
        front_end.fail(job_id, front_end.worker.take(job_id), "no luck")

    assert answer.result().status_code == 500
    assert "no luck" in answer.result().json()["detail"]


@pytest.mark.parametrize("ending", ["drawn", "failed"])
def test_a_long_call_is_kept_alive_by_blanks(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("app.routes.a1111.drawing.PATIENCE_S", 0.1)
    monkeypatch.setattr("app.routes.a1111.drawing.BLANK_EVERY_S", 0.05)
    with front_end.http.stream("POST", PATH, json=PROMPT) as answer:
        chunks = answer.iter_raw()
        assert next(chunks).strip() == b""
        job_id = answer.headers["x-job-id"]
        if ending == "drawn":
            front_end.worker.draw(job_id)
        else:
            front_end.fail(job_id, front_end.worker.take(job_id), "no luck")
        said = json.loads(b"".join(chunks))

    assert isinstance(said["info"], str)
    assert len(said["images"]) == (1 if ending == "drawn" else 0)
    assert ("no luck" in said.get("detail", "")) == (ending == "failed")


@pytest.mark.parametrize("patience_s", [0.1, 25])
def test_a_client_that_hangs_up_takes_its_job_with_it(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr("app.routes.a1111.drawing.PATIENCE_S", patience_s)
    with pytest.raises(httpx.ReadTimeout):
        front_end.http.post(PATH, json=PROMPT, timeout=1)

    (job,) = front_end.jobs()
    eventually(lambda: front_end.get(job["id"])["status"] == "canceled")
