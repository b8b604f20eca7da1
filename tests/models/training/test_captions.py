import numpy as np
import pytest

from models.training.captions import (
    Words,
    caption,
    plural,
    several,
    together,
    with_article,
    without_colour,
)

APPLE = Words(("apple",), "flat icon", ("fruit",))
CAT = Words(("cat",), "cartoon")


def captions(words: Words, background: str, count: int = 300) -> set[str]:
    rng = np.random.default_rng(0)
    return {caption(words, background, rng) for _ in range(count)}


def test_articles_fit_the_word() -> None:
    assert with_article("apple") == "an apple"
    assert with_article("red apple") == "a red apple"
    assert with_article("cherries") == "cherries"


def test_only_a_leading_colour_is_dropped() -> None:
    assert without_colour("red apple") == "apple"
    assert without_colour("light blue star") == "star"
    assert without_colour("cat face") == "cat face"


def test_one_thing_is_said_in_many_forms() -> None:
    said = captions(APPLE, "white")

    assert {"an apple", "apple", "apple, flat icon", "a flat icon of an apple"} <= said
    assert {"an emoji of an apple", "apple, fruit"} <= said


def test_what_is_said_without_a_style_means_the_flat_drawing() -> None:
    assert all("cartoon" in text for text in captions(CAT, "white"))


def test_a_colour_is_said_now_and_then_and_never_twice() -> None:
    frog = captions(Words(("frog", "green frog"), "flat icon", (), "green"), "white")

    assert any("green frog" in text for text in frog)
    assert "a frog" in frog
    assert not any("green green" in text for text in frog)


def test_a_coloured_background_is_always_said() -> None:
    assert all("blue background" in text for text in captions(APPLE, "blue"))


def test_a_white_background_is_said_now_and_then() -> None:
    said = captions(APPLE, "white")

    assert any("white background" in text for text in said)
    assert any("background" not in text for text in said)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("star", "stars"), ("peach", "peaches"), ("cherry", "cherries"), ("key", "keys")],
)
def test_more_than_one_is_said_by_an_ending(name: str, expected: str) -> None:
    assert plural(name) == expected


def test_names_without_a_plural_are_not_counted() -> None:
    rng = np.random.default_rng(0)

    assert several(Words(("mouse", "glasses"), "flat icon"), 2, "white", rng) is None
    assert several(APPLE, 3, "red", rng).startswith("three apples")


def test_both_of_two_things_are_named() -> None:
    said = together(APPLE, CAT, "white", np.random.default_rng(0))

    assert said.startswith(("an apple next to a cat", "an apple and a cat"))
