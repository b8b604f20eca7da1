"""AUTOMATIC1111's client, as its users write it; the key is the password."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import webuiapi

from tests.clients.conftest import KEY, OTHER_KEY
from tests.clients.patience import LONG_STEPS, PATIENCE_S
from tests.service import Json, Service, eventually

pytestmark = pytest.mark.timeout(PATIENCE_S)

PROMPT = "a red heart"
User = Callable[..., Any]


@pytest.fixture
def user(house: Service) -> Iterator[User]:
    """Makes clients, and closes their sessions at the end."""
    made: list[Any] = []

    def user(key: str = KEY) -> Any:
        baseurl = f"{house.url}/sdapi/v1"
        made.append(webuiapi.WebUIApi(baseurl=baseurl, username="me", password=key))
        return made[-1]

    yield user
    for api in made:
        api.session.close()


def test_txt2img_gives_pictures_and_their_story(user: User, house: Service, model: Json) -> None:
    api = user()

    result = api.txt2img(prompt=PROMPT, negative_prompt="blue", steps=2, seed=7, n_iter=2)

    assert [image.size for image in result.images] == [(model["native_size"],) * 2] * 2
    assert result.info["all_seeds"] == [7, 8]
    assert result.info["sampler_name"] == "Euler a"
    job = house.job(result.info["job_id"])
    assert job["status"] == "succeeded"
    assert job["request"]["scheduler"] == "euler_ancestral"

    story = api.png_info(result.image)
    assert story.info.startswith(f"{PROMPT}\nNegative prompt: blue\nSteps: 2, Sampler: Euler a")
    assert story.info == result.info["infotexts"][0]


def test_progress_shows_the_callers_job_and_interrupt_ends_it(user: User) -> None:
    api, stranger = user(), user(OTHER_KEY)
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(api.txt2img, prompt=PROMPT, steps=LONG_STEPS)
        state = eventually(
            lambda: found if (found := api.get_progress())["progress"] > 0 else None, PATIENCE_S
        )
        assert state["state"]["sampling_steps"] == LONG_STEPS
        assert stranger.get_progress()["state"]["job_count"] == 0
        stranger.interrupt()
        preview = eventually(lambda: api.get_progress()["current_image"], PATIENCE_S)
        assert preview

        assert api.interrupt() == {}
        assert drawing.result().images == []

    assert drawing.result().info["interrupted"]
    api.util_wait_for_ready(check_interval=0.1)


def test_options_are_the_callers_own(user: User, model: Json) -> None:
    api = user()
    options = api.get_options()
    assert options["sd_model_checkpoint"] == model["id"]

    api.set_options(options)
    api.util_set_model(model["id"])

    assert api.util_get_current_model() == model["id"]
    assert api.util_get_model_names() == [model["id"]]
    assert "Euler a" in api.util_get_sampler_names()
    assert api.get_loras() == api.get_upscalers() == []


def test_a_wrong_sampler_is_said(user: User) -> None:
    with pytest.raises(RuntimeError, match=r"404.*Sampler not found"):
        user().txt2img(prompt=PROMPT, sampler_name="Nope", steps=2)


def test_a_joined_name_of_a_sampler_is_known(user: User, house: Service) -> None:
    result = user().txt2img(prompt=PROMPT, sampler_name="DPM++ 2M Karras", steps=2)

    assert house.job(result.info["job_id"])["request"]["scheduler"] == "dpmpp_2m_karras"


def test_a_wrong_key_is_refused(user: User) -> None:
    with pytest.raises(RuntimeError, match="401"):
        user("wrong-secret-0123456789").txt2img(prompt=PROMPT, steps=2)
