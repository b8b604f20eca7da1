"""The main road, on real parts: a prompt in, a picture out."""

from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.service import Service

pytestmark = pytest.mark.timeout(60)


def test_a_prompt_becomes_a_picture_behind_a_url(service: Service) -> None:
    job = service.submit(prompt="a red heart", seed=7, num_inference_steps=5)

    done = service.finished(job["id"])

    assert done["status"] == "succeeded"
    (image,) = done["images"]
    answer = httpx.get(image["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(answer.content)).size == (64, 64)
