"""Names of samplers, joined or apart, old or new."""

import pytest

from app.errors import NotFound
from app.routes.a1111.samplers import scheduler_of
from tests.app.front_end import MODEL

ALL = MODEL.model_copy(
    update={"schedulers": ["ddim", "euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_karras"]}
)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "ours"),
    [
        (None, None, None),
        ("", "karras", None),
        ("Automatic", "Automatic", None),
        ("Euler a", "automatic", "euler_ancestral"),
        ("Euler", None, "euler"),
        ("DDIM", "Automatic", "ddim"),
        ("DPM++ 2M Karras", None, "dpmpp_2m_karras"),
        ("DPM++ 2M Karras", "Karras", "dpmpp_2m_karras"),
        ("DPM++ 2M", "Karras", "dpmpp_2m_karras"),
        ("DPM++ 2M", "automatic", "dpmpp_2m"),
        ("k_dpmpp_2m", "karras", "dpmpp_2m_karras"),
        ("k_euler_a", None, "euler_ancestral"),
        ("dpmpp_2m", None, "dpmpp_2m"),
    ],
)
def test_every_spelling_is_known(sampler: str, scheduler: str, ours: str | None) -> None:
    found, warnings = scheduler_of(sampler, scheduler, ALL)

    assert found == ours
    assert warnings == []


def test_a_spacing_that_the_sampler_has_not_is_said() -> None:
    assert scheduler_of("Euler", "Karras", ALL) == (
        "euler",
        ["scheduler: 'karras' is not heeded with this sampler"],
    )


def test_a_sampler_that_the_model_has_not_is_not_found_and_the_others_are_named() -> None:
    with pytest.raises(NotFound, match=r"Sampler not found: 'euler a'; .* has: DDIM, Euler$"):
        scheduler_of("Euler a", None, MODEL)
