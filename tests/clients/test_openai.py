"""OpenAI's own client, as its users write it."""

import base64
from collections.abc import Iterator
from io import BytesIO

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from tests.clients.conftest import KEY, OTHER_KEY
from tests.service import Json, Service

pytestmark = pytest.mark.timeout(180)  # the first of them waits for the service


@pytest.fixture
def client(house: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{house.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def size_of(b64_json: str | None) -> tuple[int, int]:
    assert b64_json
    return Image.open(BytesIO(base64.b64decode(b64_json))).size


def test_a_prompt_alone_gives_a_picture(client: OpenAI, model: Json, house: Service) -> None:
    result = client.images.generate(prompt="a red heart")

    assert result.data
    assert size_of(result.data[0].b64_json) == (model["native_size"],) * 2
    job = house.job(result.id)
    assert job["status"] == "succeeded"
    assert result._request_id


def test_three_pictures_as_urls(client: OpenAI, house: Service) -> None:
    result = client.images.generate(
        prompt="a red heart", n=3, response_format="url", output_format="webp"
    )

    assert result.data
    assert len({datum.url for datum in result.data}) == 3
    for datum in result.data:
        answer = httpx.get(str(datum.url))
        assert answer.headers["content-type"] == "image/webp"
        assert Image.open(BytesIO(answer.content)).format == "WEBP"


def test_extra_fields_decide_the_picture(client: OpenAI, model: Json) -> None:
    def draw(seed: int) -> str | None:
        result = client.images.generate(
            prompt="a red heart",
            model=model["id"],
            size="1024x1024",
            extra_body={
                "seed": seed,
                "num_inference_steps": 3,
                "guidance_scale": 2.0,
                "scheduler": "euler",
                "negative_prompt": "blue",
            },
        )
        assert result.size == f"{model['native_size']}x{model['native_size']}"
        assert result.data
        return result.data[0].b64_json

    again, first, other = draw(7), draw(7), draw(8)

    assert again == first != other


def test_a_stream_ends_with_the_picture(client: OpenAI, model: Json) -> None:
    stream = client.images.generate(prompt="a red heart", stream=True)

    *_, last = stream
    assert last.type == "image_generation.completed"
    assert size_of(last.b64_json) == (model["native_size"],) * 2
    assert last.created_at


@pytest.mark.timeout(300)
def test_a_stream_shows_the_picture_while_it_is_drawn(client: OpenAI, model: Json) -> None:
    stream = client.images.generate(
        prompt="a red heart",
        stream=True,
        partial_images=2,
        extra_body={"num_inference_steps": 150, "seed": 3},
    )

    *partials, last = stream

    assert [one.type for one in partials] == ["image_generation.partial_image"] * 2
    assert [one.partial_image_index for one in partials] == [0, 1]
    widths = {size_of(one.b64_json)[0] for one in partials}
    assert all(0 < width <= model["native_size"] for width in widths)
    assert last.type == "image_generation.completed"
    assert size_of(last.b64_json) == (model["native_size"],) * 2


def test_models_are_listed_and_shown(client: OpenAI, model: Json) -> None:
    assert [found.id for found in client.models.list()] == [model["id"]]
    assert client.models.retrieve(model["id"]).owned_by == "darkroom"
    with pytest.raises(openai.NotFoundError, match="There is no model 'nope'"):
        client.models.retrieve("nope")


def test_wrong_fields_are_a_bad_request_with_the_field(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="a red heart", size="huge")  # type: ignore[arg-type]

    error = refused.value
    said = "size: must be WIDTHxHEIGHT in pixels, or auto"
    assert str(error) == f"Error code: 400 - {said}"
    assert (error.param, error.code, error.type) == (
        "size",
        "invalid_request",
        "invalid_request_error",
    )
    assert error.request_id


def test_a_wrong_key_is_an_authentication_error(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="one of the service's keys") as refused:
        client.with_options(api_key="wrong").images.generate(prompt="a red heart")

    assert refused.value.code == "unauthorized"


def test_an_unknown_path_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Not Found"):
        client.post("/images/generations/nowhere", cast_to=object)


def test_edits_are_refused_in_words(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="not supported") as refused:
        client.images.edit(image=[b"one", b"two"], prompt="a red heart")

    assert refused.value.code == "not_supported"


def test_another_body_under_the_same_key_cannot_be_processed(client: OpenAI) -> None:
    headers = {"Idempotency-Key": "of-openai"}
    first = client.images.generate(prompt="a", extra_headers=headers)

    assert client.images.generate(prompt="a", extra_headers=headers).id == first.id
    with pytest.raises(openai.UnprocessableEntityError, match="another body"):
        client.images.generate(prompt="b", extra_headers=headers)


def test_another_keys_jobs_are_not_seen(client: OpenAI, house: Service) -> None:
    result = client.images.generate(prompt="a red heart")

    headers = {"Authorization": f"Bearer {OTHER_KEY}"}
    assert house.http.get(f"/v1/jobs/{result.id}", headers=headers).status_code == 404
