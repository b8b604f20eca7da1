"""`POST /v1/images/inspect`: bytes in, what they say of themselves out."""

import httpx
import pytest

from app.limits import MAX_PICTURE_BYTES
from app.stories import TOOL, xmp
from tests.app.front_end import FrontEnd
from tests.app.stories.test_containers import a_png, chunk

TEXT = b"a fox\nSteps: 4, Sampler: Euler, CFG scale: 3, Seed: 5, Size: 64x32, Model: default"


def inspect(front_end: FrontEnd, data: bytes) -> httpx.Response:
    return front_end.http.post("/v1/images/inspect", content=data)


def test_a_picture_tells_its_story(front_end: FrontEnd) -> None:
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.write())
    answer = inspect(front_end, a_png(chunk(b"tEXt", b"parameters\0" + TEXT), packet))

    assert answer.status_code == httpx.codes.OK
    assert answer.json() == {
        "format": "png", "width": 5, "height": 4,
        "is_marked_as_generated": True, "digital_source_type": xmp.TRAINED, "creator_tool": TOOL,
        "parameters": TEXT.decode(), "has_c2pa": False,
        "fields": {
            "prompt": "a fox", "negative_prompt": "", "num_inference_steps": 4,
            "scheduler": "euler", "guidance_scale": 3.0, "seed": 5, "model": "default",
            "width": 64, "height": 32,
        },
    }  # fmt: skip


def test_a_picture_without_a_story_is_no_error(front_end: FrontEnd) -> None:
    found = inspect(front_end, a_png()).json()

    assert (found["is_marked_as_generated"], found["parameters"], found["fields"]) == (
        False, None, None,
    )  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"no picture", a_png()[:40]])
def test_what_cannot_be_read_is_named(data: bytes, front_end: FrontEnd) -> None:
    answer = inspect(front_end, data)

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["errors"][0]["field"] == "body"


def test_a_picture_may_be_large_but_not_larger(front_end: FrontEnd) -> None:
    large = a_png(chunk(b"IDAT", b"\0" * (MAX_PICTURE_BYTES - 100)))
    assert inspect(front_end, large).status_code == httpx.codes.OK

    answer = inspect(front_end, large + b"\0" * 200)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert answer.json()["code"] == "too_large"
