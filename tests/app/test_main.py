"""The assembled application: it starts light, lives without a store and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from app.jobs.spec import MAX_SEED
from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving


def test_every_part_of_the_contract_is_in_the_schema(front_end: FrontEnd) -> None:
    schema = front_end.http.get("/openapi.json").json()

    assert {
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/events",
        "/v1/models",
        "/v1/queue",
        "/healthz",
        "/readyz",
    } <= set(schema["paths"])


def test_a_sampler_that_is_unknown_is_in_the_schema(front_end: FrontEnd) -> None:
    path = "/sdapi/v1/txt2img"
    schema = front_end.http.get("/openapi.json").json()

    answer = front_end.http.post(path, json={"prompt": "a", "sampler_name": "none such"})

    assert str(answer.status_code) in schema["paths"][path]["post"]["responses"]


@pytest.mark.parametrize(
    "path", ["/v1/images/generations", "/hf/models/{model_id}", "/sdapi/v1/txt2img"]
)
def test_a_call_that_waits_for_its_picture_says_how_it_may_end(
    path: str, front_end: FrontEnd
) -> None:
    schema = front_end.http.get("/openapi.json").json()

    assert {"409", "410", "504"} <= schema["paths"][path]["post"]["responses"].keys()


def keywords(schema: Any) -> set[str]:
    """Names of all keywords that have a number, anywhere."""
    if isinstance(schema, list):
        return {name for one in schema for name in keywords(one)}
    if not isinstance(schema, dict):
        return set()
    own = {name for name, value in schema.items() if isinstance(value, int | float)}
    return own | {name for one in schema.values() for name in keywords(one)}


def test_every_bound_is_told_in_json_schemas_own_words(front_end: FrontEnd) -> None:
    schema = front_end.http.get("/openapi.json").json()["components"]["schemas"]

    seed = schema["Submission"]["properties"]["seed"]["anyOf"][0]
    assert seed == {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
    bounds = {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
    others = {
        "maxProperties",
        "uniqueItems",
        "additionalProperties",
        "default",
        "const",
        "readOnly",
    }
    assert keywords(schema) <= bounds | others


def test_an_unknown_path_is_a_problem(front_end: FrontEnd) -> None:
    assert_problem(front_end.http.get("/v2/nothing"), 404, "not_found")


def test_a_method_that_is_not_offered_is_a_problem_that_names_those_that_are(
    front_end: FrontEnd,
) -> None:
    answer = front_end.http.put("/v1/jobs")

    assert_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


def test_without_a_store_to_connect_to_it_refuses_to_start(tmp_path: Path) -> None:
    from app.dependencies import Services

    with pytest.raises(ValueError, match="DARKROOM_REDIS_URL"):
        Services.connected(Settings(redis_url=None, data_dir=tmp_path))


def test_it_starts_and_says_so_while_the_store_is_away(tmp_path: Path) -> None:
    settings = Settings(redis_url=f"unix://{tmp_path}/nobody.sock", data_dir=tmp_path)
    with serving(settings) as front_end:
        assert front_end.http.get("/healthz").status_code == 200
        assert_problem(front_end.http.get("/readyz"), 503, "unavailable")
