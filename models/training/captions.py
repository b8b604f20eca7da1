"""The words for a picture: one thing said in several forms, each of which means one picture.

What is said without a style is the flat drawing; every other style is named. Knows labels, styles
and colours as words. Knows nothing of pictures.
"""

import re
from dataclasses import dataclass

import numpy as np

from models.training.colours import COLOURS

COLOUR_WORDS = re.compile(rf"\b({'|'.join(COLOURS)}) ")
UNCOUNTABLE = re.compile(r"s$|^(cooked rice|fire|water|popcorn|money|tofu|bread|milk|ice)\b")
UNNAMED_STYLES = frozenset({"flat icon", "plain shape"})
NUMBERS = {2: "two", 3: "three"}

Rng = np.random.Generator


@dataclass(frozen=True)
class Words:
    """What may be said of one thing: its names, how it is drawn, its keywords, its colour."""

    names: tuple[str, ...]
    style: str
    tags: tuple[str, ...] = ()
    hue: str | None = None


def with_article(label: str) -> str:
    """Say "an apple" for "apple"; plurals and masses stay as they are."""
    if UNCOUNTABLE.search(label):
        return label
    return f"an {label}" if label[0] in "aeiou" else f"a {label}"


def without_colour(label: str) -> str:
    """Leave "apple" of "red apple"."""
    return COLOUR_WORDS.sub("", label)


def plural(name: str) -> str | None:
    """More than one of it; None where that is not said by an ending."""
    if name.endswith("s") or " " in name or name in ("mouse", "sheep", "fish"):
        return None
    if name.endswith(("ch", "sh", "x", "z")):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


def caption(words: Words, background: str, rng: Rng) -> str:
    """One caption: the thing in one of its forms, then the background unless it is plain white."""
    return thing(words, rng) + ground(background, rng)


def thing(words: Words, rng: Rng) -> str:
    """The thing itself; its style is left out only where leaving it out means this very style."""
    name = str(rng.choice(words.names))
    if words.hue and words.hue not in name and rng.random() < 0.3:
        name = f"{words.hue} {name}"
    form = rng.random()
    if words.style not in UNNAMED_STYLES or form < 0.15:
        return styled(name, words.style, rng)
    if form < 0.65:
        return with_article(name)
    if form < 0.85:
        return name
    if form < 0.92 and words.tags:
        return ", ".join([name, *rng.permutation(words.tags)[:2]])
    return f"an emoji of {with_article(name)}"


def styled(name: str, style: str, rng: Rng) -> str:
    """The thing with its style, before or after it."""
    form = rng.random()
    if form < 0.4:
        return f"{with_article(name)}, {style}"
    return f"{name}, {style}" if form < 0.7 else f"{with_article(style)} of {with_article(name)}"


def several(words: Words, count: int, background: str, rng: Rng) -> str | None:
    """So many of one thing, or None where its names have no plural."""
    plurals = [many for name in words.names if (many := plural(name))]
    if not plurals:
        return None
    style = "" if words.style in UNNAMED_STYLES else f", {words.style}"
    return f"{NUMBERS[count]} {rng.choice(plurals)}{style}{ground(background, rng)}"


def together(left: Words, right: Words, background: str, rng: Rng) -> str:
    """Two things beside each other."""
    names = [with_article(str(rng.choice(words.names))) for words in (left, right)]
    link = "next to" if rng.random() < 0.6 else "and"
    return f"{names[0]} {link} {names[1]}{ground(background, rng)}"


def ground(background: str, rng: Rng) -> str:
    """How the background is said; white is what is meant when nothing is said."""
    chance = rng.random()
    if background == "white" and chance < 0.75:
        return ""
    if chance > 0.9:
        return f", {background} background"
    return f" on {with_article(background)} background"
