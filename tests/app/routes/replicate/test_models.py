"""What Replicate's clients ask of a service besides predictions."""

import base64

import pytest

from app.routes.replicate.schemas import digest_of
from tests.app.front_end import MODEL, FrontEnd, assert_problem
from tests.service import Json

BASE = "/v1/models/darkroom/default"


def get(front_end: FrontEnd, path: str) -> Json:
    answer = front_end.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_model_has_one_version_by_its_digest_or_name(front_end: FrontEnd) -> None:
    model = get(front_end, BASE)
    latest = model["latest_version"]

    assert (model["owner"], model["name"]) == ("darkroom", "default")
    assert latest["id"] == digest_of(MODEL)
    assert get(front_end, f"{BASE}/versions")["results"] == [latest]
    assert get(front_end, f"{BASE}/versions/{latest['id']}") == latest
    assert get(front_end, f"{BASE}/versions/default") == latest
    assert_problem(front_end.http.get(f"{BASE}/versions/{'0' * 64}"), 404, "not_found")


def test_a_version_tells_what_its_input_may_hold(front_end: FrontEnd) -> None:
    schemas = get(front_end, BASE)["latest_version"]["openapi_schema"]["components"]["schemas"]
    inputs = schemas["Input"]["properties"]

    assert schemas["Input"]["required"] == ["prompt"]
    assert inputs["scheduler"]["enum"] == MODEL.schedulers
    assert inputs["width"] == {
        "type": "integer",
        "minimum": 64,
        "maximum": 128,
        "default": 64,
        "multipleOf": 8,
        "title": "Width",
        "x-order": 2,
    }
    assert schemas["Output"]["items"] == {"type": "string", "format": "uri"}
    assert "x-cog-array-type" not in schemas["Output"]  # or run() would return an iterator


def test_a_digest_changes_with_what_is_announced(front_end: FrontEnd) -> None:
    changed = MODEL.model_copy(update={"created": MODEL.created + 1})
    front_end.services.catalogue.announce(changed)

    assert get(front_end, BASE)["latest_version"]["id"] == digest_of(changed) != digest_of(MODEL)


def test_every_model_is_deployed(front_end: FrontEnd) -> None:
    found = get(front_end, "/v1/deployments/darkroom/default")

    assert found["current_release"]["version"] == digest_of(MODEL)


def test_account_and_hardware_are_told(front_end: FrontEnd) -> None:
    assert get(front_end, "/v1/account")["username"] == "darkroom"
    assert get(front_end, "/v1/hardware") == [{"name": "cpu", "sku": "cpu"}]


def test_the_webhooks_secret_is_one_that_the_client_can_read(front_end: FrontEnd) -> None:
    key = get(front_end, "/v1/webhooks/default/secret")["key"]

    prefix, encoded = key.split("_")  # exactly one underscore: standard base64, not url-safe
    assert prefix == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) == 32


@pytest.mark.parametrize("path", ["/v1/models/darkroom/nope", "/v1/deployments/a/default"])
def test_an_unknown_name_is_not_found(front_end: FrontEnd, path: str) -> None:
    said = assert_problem(front_end.http.get(path), 404, "not_found")

    assert "there are: darkroom/default" in said["detail"]


def test_files_are_refused_in_words(front_end: FrontEnd) -> None:
    answer = front_end.http.post("/v1/files", files={"content": ("a.png", b"...")})

    assert_problem(answer, 400, "not_supported")
