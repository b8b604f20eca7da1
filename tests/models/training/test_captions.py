import numpy as np

from models.training.captions import caption, with_article, without_colour


def captions(background: str, count: int = 200) -> set[str]:
    rng = np.random.default_rng(0)
    return {caption("apple", "flat icon", background, ("fruit",), rng) for _ in range(count)}


def test_articles_fit_the_word() -> None:
    assert with_article("apple") == "an apple"
    assert with_article("red apple") == "a red apple"
    assert with_article("cherries") == "cherries"


def test_only_a_leading_colour_is_dropped() -> None:
    assert without_colour("red apple") == "apple"
    assert without_colour("light blue star") == "star"
    assert without_colour("cat face") == "cat face"


def test_one_thing_is_said_in_many_forms() -> None:
    said = captions("white")

    assert {"an apple", "apple", "apple, flat icon", "a flat icon of an apple"} <= said
    assert "an emoji of an apple" in said
    assert "apple, fruit" in said


def test_a_coloured_background_is_always_said() -> None:
    assert all("blue background" in text for text in captions("blue"))


def test_a_white_background_is_said_now_and_then() -> None:
    said = captions("white")

    assert any("white background" in text for text in said)
    assert any("background" not in text for text in said)
