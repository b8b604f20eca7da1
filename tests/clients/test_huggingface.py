"""The Hub's `InferenceClient`, as its users write it: the URL is the model's."""

from typing import Any

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.clients.conftest import KEY
from tests.clients.patience import PATIENCE_S
from tests.service import Json, Service

pytestmark = pytest.mark.timeout(PATIENCE_S)


def client(house: Service, model_id: str, token: str = KEY) -> Any:
    return InferenceClient(f"{house.url}/hf/models/{model_id}", token=token)


def test_text_to_image_gives_a_picture(house: Service, model: Json) -> None:
    hub = client(house, model["id"])
    size = model["native_size"]
    wish = {"width": size, "height": size, "num_inference_steps": 2, "seed": 7}

    first = hub.text_to_image("a red heart", negative_prompt="blue", guidance_scale=2.0, **wish)
    again = hub.text_to_image("a red heart", negative_prompt="blue", guidance_scale=2.0, **wish)
    other = hub.text_to_image("a red heart", extra_body={"scheduler": "euler"}, **wish)

    assert first.size == (size, size)
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_errors_are_shown_with_their_text(house: Service, model: Json) -> None:
    with pytest.raises(HfHubHTTPError, match=r"parameters\.width: "):
        client(house, model["id"]).text_to_image("a red heart", width=7)
    with pytest.raises(HfHubHTTPError, match="There is no model 'nope'"):
        client(house, "nope").text_to_image("a red heart")
    with pytest.raises(HfHubHTTPError, match="401"):
        client(house, model["id"], "wrong").text_to_image("a red heart")
