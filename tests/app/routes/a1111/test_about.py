"""What clients of AUTOMATIC1111 look up, and the model that a key chooses."""

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.stories import parameters
from tests.app.front_end import MODEL, FrontEnd, make_spec


def get(front_end: FrontEnd, path: str) -> Any:
    answer = front_end.http.get(f"/sdapi/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_models_and_samplers_have_the_names_that_clients_show(front_end: FrontEnd) -> None:
    assert [model["title"] for model in get(front_end, "sd-models")] == ["default"]
    assert [one["name"] for one in get(front_end, "samplers")] == ["DDIM", "Euler"]
    assert {"automatic", "karras"} == {one["name"] for one in get(front_end, "schedulers")}


@pytest.mark.parametrize(
    "path",
    ["upscalers", "latent-upscale-modes", "sd-vae", "sd-modules", "loras", "prompt-styles",
     "hypernetworks", "face-restorers", "realesrgan-models"],
)  # fmt: skip
def test_what_there_is_none_of_is_an_empty_list(front_end: FrontEnd, path: str) -> None:
    assert get(front_end, path) == []


@pytest.mark.parametrize("path", ["scripts", "embeddings", "memory", "cmd-flags"])
def test_the_rest_is_an_object(front_end: FrontEnd, path: str) -> None:
    assert isinstance(get(front_end, path), dict)


def test_a_model_is_chosen_by_sending_all_options_back(front_end: FrontEnd) -> None:
    other = MODEL.model_copy(update={"id": "other", "schedulers": ["ddim"]})
    front_end.services.catalogue.announce(other)
    options = get(front_end, "options")
    assert options["sd_model_checkpoint"] == "default"

    changed = {**options, "sd_model_checkpoint": "other"}
    answer = front_end.http.post("/sdapi/v1/options", json=changed)

    assert answer.status_code == 200
    assert get(front_end, "options")["sd_model_checkpoint"] == "other"
    assert [one["name"] for one in get(front_end, "samplers")] == ["DDIM"]


def test_a_model_that_is_not_there_is_not_found(front_end: FrontEnd) -> None:
    answer = front_end.http.post("/sdapi/v1/options", json={"sd_model_checkpoint": "nope"})

    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("Model not found: 'nope'")


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_picture_tells_how_it_was_made(front_end: FrontEnd, prefix: str) -> None:
    text, file = parameters.write(make_spec(negative_prompt="blue")), BytesIO()
    carried = PngInfo()
    carried.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(file, "png", pnginfo=carried)
    image = prefix + base64.b64encode(file.getvalue()).decode()

    said = front_end.http.post("/sdapi/v1/png-info", json={"image": image}).json()

    assert said["info"] == text
    assert said["items"] == {"parameters": text}
    assert said["parameters"]["Prompt"] == "a red heart"
    assert said["parameters"]["Negative prompt"] == "blue"
    assert said["parameters"]["Seed"] == "7"


@pytest.mark.parametrize(
    "image", ["", "no base64", "\u00e9\U0001f600", base64.b64encode(b"no picture").decode()]
)
def test_what_is_no_picture_is_refused(front_end: FrontEnd, image: str) -> None:
    answer = front_end.http.post("/sdapi/v1/png-info", json={"image": image})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("image: ")
