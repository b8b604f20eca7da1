"""The wish: bounded, frozen, and the same after a journey as text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.jobs.spec import MAX_SEED, GenerationSpec, OutputFormat, Priority
from tests.app.front_end import make_spec


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    seed=st.integers(0, MAX_SEED),
    guidance_scale=st.floats(0, 30),
    num_images=st.integers(1, 8),
    output_format=st.sampled_from(OutputFormat),
    priority=st.sampled_from(Priority),
)
def test_a_spec_survives_the_journey_as_json(**fields: Any) -> None:
    spec = make_spec(**fields)

    assert GenerationSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "a" * 2_001},
        {"width": 63},
        {"height": 2_049},
        {"num_images": 9},
        {"num_inference_steps": 151},
        {"guidance_scale": float("nan")},
        {"guidance_scale": 31},
        {"seed": MAX_SEED + 1},
        {"output_quality": 0},
        {"deadline_s": float("inf")},
        {"unheard_of": 1},
    ],
)
def test_what_is_out_of_bounds_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_spec(**fields)


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        make_spec().seed = 8  # type: ignore[misc]


def test_formats_know_their_media_type() -> None:
    assert [form.content_type for form in OutputFormat] == ["image/png", "image/jpeg", "image/webp"]


def test_priorities_are_in_order_of_urgency() -> None:
    assert list(Priority) == ["high", "normal", "low"]
