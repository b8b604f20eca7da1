"""The words for a picture: one thing said in several forms.

Knows labels, styles and colours as words. Knows nothing of pictures.
"""

import re

import numpy as np

from models.training.colours import COLOURS

COLOUR_WORDS = re.compile(rf"\b({'|'.join(COLOURS)}) ")
UNCOUNTABLE = re.compile(r"s$|^(cooked rice|fire|water|popcorn|money|tofu|bread|milk|ice)\b")


def with_article(label: str) -> str:
    """Say "an apple" for "apple"; plurals and masses stay as they are."""
    if UNCOUNTABLE.search(label):
        return label
    return f"an {label}" if label[0] in "aeiou" else f"a {label}"


def without_colour(label: str) -> str:
    """Leave "apple" of "red apple"."""
    return COLOUR_WORDS.sub("", label)


def caption(
    label: str,
    style: str | None,
    background: str,
    tags: tuple[str, ...],
    rng: np.random.Generator,
) -> str:
    """One caption: the label in one of six forms, then the background unless it is plain white."""
    return words(label, style, tags, rng) + ground(background, rng)


def words(label: str, style: str | None, tags: tuple[str, ...], rng: np.random.Generator) -> str:
    """The thing itself, with or without article, style or keywords."""
    form = rng.random()
    if form < 0.3:
        return with_article(label)
    if form < 0.5:
        return label
    if form < 0.6 and tags:
        return ", ".join([label, *rng.permutation(tags)[:2]])
    if style and form < 0.8:
        return f"{label}, {style}"
    if style and form < 0.9:
        return f"{with_article(style)} of {with_article(label)}"
    return f"an emoji of {with_article(label)}"


def ground(background: str, rng: np.random.Generator) -> str:
    """How the background is said; white is what is meant when nothing is said."""
    chance = rng.random()
    if background == "white" and chance < 0.75:
        return ""
    if chance > 0.9:
        return f", {background} background"
    return f" on {with_article(background)} background"
