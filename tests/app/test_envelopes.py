"""Every path's refusals have the form that its dialect's clients read."""

import json
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from app.envelopes import answer
from app.errors import FieldError, InvalidRequest, NotFound, QueueFull, Unauthorized
from tests.app.front_end import FrontEnd, assert_problem

WRONG = InvalidRequest(
    FieldError(field="size", message="must be WIDTHxHEIGHT"),
    FieldError(field="n", message="at most 8"),
)


def body(response: Response) -> dict[str, Any]:
    return json.loads(bytes(response.body))


def test_openai_has_an_error_object_and_calls_wrong_fields_a_bad_request() -> None:
    said = answer("/v1/images/generations", WRONG)

    assert said.status_code == 400
    assert body(said) == {
        "error": {
            "message": "size: must be WIDTHxHEIGHT; n: at most 8",
            "type": "invalid_request_error",
            "param": "size",
            "code": "invalid_request",
        }
    }


def test_openai_is_told_when_to_come_back() -> None:
    said = answer("/v1/images/generations", QueueFull("40 jobs wait.", retry_after_s=7))

    assert said.status_code == 503
    assert said.headers["retry-after"] == "7"
    assert body(said)["error"]["type"] == "server_error"


def test_replicate_has_a_problem_with_an_instance() -> None:
    said = answer("/v1/predictions/x", NotFound("There is no prediction 'x'."))

    assert said.headers["content-type"] == "application/problem+json"
    assert body(said) == {
        "type": "urn:darkroom:problem:not_found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "There is no prediction 'x'.",
        "code": "not_found",
        "instance": "/v1/predictions/x",
    }


def test_a1111_has_four_texts_and_asks_for_a_password() -> None:
    assert body(answer("/sdapi/v1/txt2img", WRONG)) == {
        "error": "invalid_request",
        "detail": "size: must be WIDTHxHEIGHT; n: at most 8",
        "body": "",
        "errors": "size: must be WIDTHxHEIGHT; n: at most 8",
    }
    said = answer("/sdapi/v1/options", Unauthorized("Who are you?"))
    assert said.headers["www-authenticate"].startswith("Basic ")


def test_the_hub_has_a_text_in_the_body_and_in_a_header_that_may_hold_it() -> None:
    said = answer("/hf/models/x", NotFound("There is no model 'Ωmega'."))

    assert body(said) == {"error": "There is no model 'Ωmega'."}
    assert said.headers["x-error-message"] == "There is no model '?mega'."


@pytest.mark.parametrize("path", ["/v1/imagesx", "/v1/images/generationsx", "/hfx", "/v1/jobs/x"])
def test_a_path_that_only_begins_like_a_dialects_is_native(path: str) -> None:
    assert set(body(answer(path, NotFound("No.")))) == {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/images/generations/nowhere", ("error", "message")),
        ("/sdapi/v1/nowhere", ("detail",)),
        ("/hf/nowhere", ("error",)),
        ("/v1/models/nowhere/at/all", ("error", "message")),
    ],
)
def test_what_no_route_of_ours_answers_is_in_the_dialect_too(
    front_end: FrontEnd, path: str, said: tuple[str, ...]
) -> None:
    found: Any = front_end.http.get(path).json()
    for name in said:
        found = found[name]

    assert found == "Not Found"


def test_a_body_too_large_is_refused_in_the_dialect(front_end: FrontEnd) -> None:
    said = front_end.http.post("/v1/images/generations", content=b" " * (1 << 20) + b"{}")

    assert said.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert said.json()["error"]["code"] == "too_large"


def test_a_missing_model_is_a_problem_that_openai_clients_read(front_end: FrontEnd) -> None:
    found = assert_problem(front_end.http.get("/v1/models/nope"), 404, "not_found")

    assert found["error"]["message"] == found["detail"] == "There is no model 'nope'."
