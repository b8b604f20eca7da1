"""The text that galleries read: written, read back, and read from others' hands."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stories import TOOL, parameters
from app.stories.parameters import SAMPLERS
from models.schedulers import SCHEDULERS
from tests.app.front_end import make_spec

LINES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=60)


def test_the_text_has_the_form_that_is_common() -> None:
    spec = make_spec(
        prompt="a red fox,\nin snow", negative_prompt="blurry", scheduler="dpmpp_2m_karras"
    )

    assert parameters.write(spec, 2) == (
        "a red fox,\nin snow\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 5, Seed: 9, Size: 64x64, "
        f"Model: default, Version: {TOOL}"
    )


def test_without_the_prompt_the_settings_are_left() -> None:
    text = parameters.write(make_spec(negative_prompt="secret too"), with_prompt=False)

    assert text.startswith("Steps: 20, ")
    assert "red heart" not in text
    assert "secret" not in text
    assert parameters.read(text).fields["num_inference_steps"] == 20


@given(prompt=LINES, negative=LINES, model=st.text('ab,:" \\é', min_size=1, max_size=12))
def test_what_was_written_is_read(prompt: str, negative: str, model: str) -> None:
    prompt = f"a {prompt}"
    spec = make_spec(prompt=prompt, negative_prompt=negative, model=model.strip() or "m")

    fields = parameters.read(parameters.write(spec, 1)).fields

    assert fields["prompt"] == prompt.strip()
    assert fields["negative_prompt"] == negative.strip()
    assert fields["model"] == spec.model
    assert (fields["seed"], fields["width"], fields["height"]) == (8, 64, 64)
    assert (fields["scheduler"], fields["guidance_scale"]) == ("ddim", 5.0)


def test_every_scheduler_has_a_name_that_reads_back() -> None:
    assert set(SCHEDULERS) >= set(SAMPLERS)
    for name in SCHEDULERS:
        assert (
            parameters.read(parameters.write(make_spec(scheduler=name))).fields["scheduler"] == name
        )


def test_anothers_text_is_read_too() -> None:
    found = parameters.read(
        "masterpiece, (cat:1.2)\nNegative prompt: low\nquality\n"
        "Steps: 28, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 512x768, Model hash: abc, "
        'Model: v1, Lora hashes: "a: 1, b: 2", Version: v1.9'
    )

    assert (found.prompt, found.negative_prompt) == ("masterpiece, (cat:1.2)", "low\nquality")
    assert found.pairs["Lora hashes"] == "a: 1, b: 2"
    assert found.fields["scheduler"] == "euler_ancestral"
    assert (found.fields["width"], found.fields["height"]) == (512, 768)


@pytest.mark.parametrize(
    "text", ["", "just words", "a: b, c: d", "\n\n", "Steps: x, Seed: -, Size: ?"]
)
def test_a_text_of_no_form_is_a_prompt_or_nothing(text: str) -> None:
    fields = parameters.read(text).fields

    assert "seed" not in fields
    assert fields["prompt"] in (text.strip(), "")


@pytest.mark.parametrize("hostile", ['A:"' * 400_000, "a" * 10**6, ("a " * 40 + ":") * 10_000])
def test_no_text_keeps_the_reader_busy(hostile: str) -> None:
    began = time.process_time()
    parameters.read(hostile)
    assert time.process_time() - began < 2
