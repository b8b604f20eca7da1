"""Replicate's dialect on the wire."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.links import Links
from app.routes.replicate.output import output_of
from app.routes.replicate.schemas import digest_of
from app.webhooks.ledger import Ledger
from tests.app.front_end import MODEL, FrontEnd, assert_problem
from tests.service import Json, eventually

PATHS = [
    "/v1/predictions",
    "/v1/models/darkroom/default/predictions",
    "/v1/deployments/darkroom/default/predictions",
]
INPUT = {"prompt": "a red heart"}


def post(front_end: FrontEnd, path: str = PATHS[0], **body: Any) -> httpx.Response:
    headers = body.pop("headers", {})
    body = {"input": INPUT, **({"version": "default"} if path == PATHS[0] else {}), **body}
    return front_end.http.post(path, json=body, headers=headers)


def create(front_end: FrontEnd, path: str = PATHS[0], **body: Any) -> Json:
    answer = post(front_end, path, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
def test_a_prediction_is_made_and_becomes_a_picture(front_end: FrontEnd, path: str) -> None:
    made = create(front_end, path)
    assert made["status"] == "starting"

    front_end.worker.draw(made["id"])

    done = httpx.get(made["urls"]["get"]).json()
    assert done["status"] == "succeeded"
    (file,) = [
        front_end.services.images.get(image.key)
        for image in front_end.worker.job(made["id"]).images
    ]
    assert file
    assert done["output"] == [f"data:image/png;base64,{base64.b64encode(file).decode()}"]
    assert done["metrics"]["predict_time"] >= 0
    assert done["completed_at"].endswith("Z")
    assert front_end.get(made["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    "version",
    ["default", "darkroom/default", digest_of(MODEL), f"darkroom/default:{digest_of(MODEL)}"],
)
def test_a_version_is_a_name_or_a_digest(front_end: FrontEnd, version: str) -> None:
    assert create(front_end, version=version)["model"] == "darkroom/default"


def test_every_input_arrives_in_the_job(front_end: FrontEnd) -> None:
    wish = {
        "prompt": "a red heart",
        "negative_prompt": "blue",
        "width": 128,
        "height": 64,
        "num_outputs": 2,
        "num_inference_steps": 5,
        "guidance_scale": 2.5,
        "scheduler": "euler",
        "seed": 9,
        "output_format": "webp",
        "output_quality": 50,
    }
    headers = {"Cancel-After": "2m"}

    made = create(front_end, input=wish, headers=headers)

    assert made["input"] == wish
    asked = front_end.get(made["id"])["request"]
    assert {**wish, "num_images": 2, "deadline_s": 120}.items() >= {
        name: asked[name] for name in (set(wish) | {"num_images", "deadline_s"}) - {"num_outputs"}
    }.items()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input": {}}, "input.prompt"),
        ({"input": {"prompt": "a", "width": 100}}, "input.width"),
        ({"input": {"prompt": "a", "num_outputs": 9}}, "input.num_outputs"),
        ({"input": {"prompt": "a", "refine": "yes"}}, "input.refine"),
        ({"input": {"prompt": "a", "webhook": {"url": "http://a"}}}, "input.webhook"),
        ({"input": {"prompt": "a", "scheduler": "K_EULER"}}, "input.scheduler"),
        ({"version": "nope"}, "version"),
        ({"version": None}, "version"),
        ({"webhook": "ftp://a"}, "webhook"),
        ({"webhook": "http://a", "webhook_events_filter": ["logs"]}, "webhook_events_filter"),
        ({"webhook_events_filter": ["end"]}, "webhook_events_filter.0"),
        ({"headers": {"Cancel-After": "soon"}}, "Cancel-After"),
        ({"headers": {"Cancel-After": "0s"}}, "Cancel-After"),
        ({"inputs": {}}, "inputs"),
    ],
)
def test_what_cannot_be_is_named(front_end: FrontEnd, changes: Json, field: str) -> None:
    body = assert_problem(post(front_end, **changes), 422, "invalid_request")

    assert [error["field"] for error in body["errors"]] == [field]
    assert body["instance"] == PATHS[0]
    assert front_end.jobs() == []


@pytest.mark.parametrize("path", PATHS[1:])
def test_an_unknown_model_is_not_found_and_the_known_are_named(
    front_end: FrontEnd, path: str
) -> None:
    answer = post(front_end, path.replace("default", "sdxl"))

    assert_problem(answer, 404, "not_found")
    assert answer.json()["detail"] == (
        "There is no model 'darkroom/sdxl'; there are: darkroom/default."
    )


def test_a_wait_that_sees_the_end_answers_with_it(front_end: FrontEnd) -> None:
    body = {"input": INPUT, "version": "default"}
    with front_end.asking(PATHS[0], body, Prefer="wait") as (answer, job_id):
        front_end.worker.draw(job_id)

    said = answer.result()
    assert said.status_code == 201
    assert said.headers["preference-applied"] == "wait=60"
    assert said.json()["status"] == "succeeded"
    assert said.json()["output"][0].startswith("data:image/png;base64,")


def test_a_wait_that_sees_no_end_says_starting_even_of_a_job_that_runs(
    front_end: FrontEnd,
) -> None:
    """Their `run()` takes every other status for the end, and returns None."""
    body = {"input": INPUT, "version": "default"}
    with front_end.asking(PATHS[0], body, Prefer="wait=1") as (answer, job_id):
        lease = front_end.worker.take(job_id)
        front_end.worker.step(job_id, lease, 8)
        said = answer.result()

    assert said.status_code == 202
    assert said.json()["status"] == "starting"
    now = front_end.http.get(f"/v1/predictions/{job_id}").json()
    assert now["status"] == "processing"
    assert now["logs"].splitlines()[-1] == " 40%|████      | 8/20"


def test_a_key_makes_a_repeat_the_same_prediction(front_end: FrontEnd) -> None:
    headers = {"Idempotency-Key": "mine"}

    assert create(front_end, headers=headers)["id"] == create(front_end, headers=headers)["id"]


def test_cancel_ends_it_and_again_changes_nothing(front_end: FrontEnd) -> None:
    made = create(front_end)

    for _ in range(2):
        said = front_end.http.post(made["urls"]["cancel"]).json()
        assert said["status"] == "canceled"
        assert said["output"] is None


def test_the_list_has_jobs_of_every_dialect_and_pages(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.routes.replicate.predictions.PAGE", 2)
    ids = [create(front_end)["id"], front_end.submit()["id"], create(front_end)["id"]]

    first = front_end.http.get("/v1/predictions").json()
    second = front_end.http.get(first["next"]).json()

    assert [one["id"] for one in first["results"]] == [ids[2], ids[1]]
    assert [one["id"] for one in second["results"]] == [ids[0]]
    assert (first["previous"], second["next"]) == (None, None)


@pytest.mark.parametrize("action", ["", "/stream"])
def test_an_unknown_prediction_is_not_found(front_end: FrontEnd, action: str) -> None:
    answer = front_end.http.get(f"/v1/predictions/nope{action}")

    assert_problem(answer, 404, "not_found")


def test_behind_tls_the_output_is_a_url(front_end: FrontEnd) -> None:
    made = create(front_end)
    front_end.worker.draw(made["id"])

    links = Links("https://pictures.example", front_end.services.signer)
    images = front_end.worker.job(made["id"]).images
    (url,) = output_of(front_end.services, images, links)

    assert url.startswith(f"https://pictures.example/images/{made['id']}/0.png?")


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (None, ["job.succeeded"]),
        (["completed"], ["job.succeeded"]),
        (["start", "logs"], ["job.processing"]),
        (["output", "start"], ["job.processing", "job.succeeded"]),
    ],
)
def test_a_webhook_is_told_what_its_filter_lets_through(
    front_end: FrontEnd, told: list[str] | None, events: list[str]
) -> None:
    wish = {"webhook_events_filter": told} if told else {}
    made = create(front_end, webhook="http://receiver.example/hook", **wish)
    front_end.worker.draw(made["id"])

    found = Ledger(front_end.services.redis).of_job(front_end.worker.job(made["id"]))

    assert [one.event for one in found] == events
    assert ("logs are not sent" in made["logs"]) == ("logs" in (told or []))


def test_a_webhooks_body_is_the_prediction(front_end: FrontEnd) -> None:
    made = create(front_end, webhook="http://receiver.example/hook")
    front_end.worker.draw(made["id"])
    (delivery,) = Ledger(front_end.services.redis).of_job(front_end.worker.job(made["id"]))

    body = httpx.Response(200, content=delivery.body(front_end.services.signer)).json()

    (url,) = body.pop("output")
    shown = front_end.http.get(f"/v1/predictions/{made['id']}").json()
    del shown["output"]
    assert body == shown
    assert httpx.get(url).headers["content-type"] == "image/png"


def test_an_absent_store_is_a_problem_here_too(front_end: FrontEnd) -> None:
    with ThreadPoolExecutor(1) as pool:
        front_end.services.redis.flushall()
        found = pool.submit(post, front_end).result()

    assert_problem(found, 503, "unavailable")
    assert found.headers["retry-after"] == "2"
    eventually(lambda: front_end.jobs() == [])
