"""What training never saw, as questions: captions with the real picture of each, and colours.

Knows the training set's held-out parts. Knows nothing of models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.training.captions import plural, with_article
from models.training.colours import COLOURS, jittered, on_background
from models.training.concepts import everyday_names
from models.training.data import Record, TrainingSet
from models.training.latents import is_held_out

BINDING_COLOURS = ("red", "green", "blue", "purple", "yellow", "orange")
GROUNDS = tuple(name for name in COLOURS if name not in ("white", "black", "gray"))


@dataclass(frozen=True)
class Question:
    """A caption that was never seen whole and the real picture of it, uint8 `[h, w, 3]`."""

    caption: str
    picture: NDArray[np.uint8]


class Wish(NamedTuple):
    """A prompt and what can be measured in the picture of it."""

    prompt: str
    expected: str | int


def unseen_captions(data: TrainingSet, count: int, seed: int = 0) -> list[Question]:
    """Combinations of a trained thing and a background that were kept from training."""
    part = data.of_split("train")
    everyday = [
        (master, record, background)
        for master, record in zip(part.masters, part.records, strict=True)
        if record.label in everyday_names()
        for background in COLOURS
        if is_held_out(record.label, record.style, background)
    ]
    return _questions(everyday, count, seed)


def split_captions(data: TrainingSet, split: str, count: int, seed: int = 0) -> list[Question]:
    """Drawings of a split that was never trained on ("concepts" or "style")."""
    part = data.of_split(split)
    backgrounds = np.random.default_rng(seed).choice(GROUNDS, len(part.records))
    rows = zip(part.masters, part.records, map(str, backgrounds), strict=True)
    return _questions(list(rows), count, seed)


def colour_wishes(data: TrainingSet, count: int, seed: int = 0) -> list[Wish]:
    """Wishes like "a red frog": things that have one clear colour, asked for in any."""
    names = sorted({_plain(r) for r in _everyday(data) if r.hue and not _says_colour(_plain(r))})
    rng = np.random.default_rng(seed)
    pairs = [(name, colour) for name in names for colour in BINDING_COLOURS]
    chosen = rng.permutation(len(pairs))[:count]
    return [Wish(f"a {pairs[i][1]} {pairs[i][0]}", pairs[i][1]) for i in chosen]


def ground_wishes(data: TrainingSet, count: int, seed: int = 0) -> list[Wish]:
    """Wishes that end in "… on a red background"."""
    names = sorted({_plain(record) for record in _everyday(data)})
    rng = np.random.default_rng(seed)
    grounds = map(str, rng.choice(GROUNDS, count))
    things = map(str, rng.choice(names, count))
    return [
        Wish(f"{with_article(thing)} on {with_article(ground)} background", ground)
        for thing, ground in zip(things, grounds, strict=True)
    ]


def count_wishes(data: TrainingSet, number: int, count: int, seed: int = 0) -> list[Wish]:
    """One, two or three of a thing, on white."""
    words = {1: "one", 2: "two", 3: "three"}
    names = sorted({_plain(record) for record in _everyday(data)})
    named = [(name, plural(name)) for name in names if plural(name)]
    rows = np.random.default_rng(seed).permutation(len(named))[:count]
    chosen = [named[i] for i in rows]
    said = (with_article(one) if number == 1 else f"{words[number]} {many}" for one, many in chosen)
    return [Wish(prompt, number) for prompt in said]


def _questions(
    rows: list[tuple[NDArray[np.uint8], Record, str]], count: int, seed: int
) -> list[Question]:
    rng = np.random.default_rng(seed)
    chosen = (rows[i] for i in rng.permutation(len(rows)))
    found = dict[str, Question]()
    for master, record, background in chosen:
        thing = with_article(_plain(record))
        style = "" if record.style == "flat icon" else f", {record.style}"
        said = f"{thing}{style} on {with_article(background)} background"
        picture = on_background(master, jittered(background, rng))
        found.setdefault(said, Question(said, picture))
        if len(found) == count:
            break
    return list(found.values())


def _everyday(data: TrainingSet) -> Iterator[Record]:
    part = data.of_split("train")
    return (r for r in part.records if r.style == "flat icon" and r.label in everyday_names())


def _plain(record: Record) -> str:
    return everyday_names().get(record.label, (record.label,))[0]


def _says_colour(name: str) -> bool:
    return any(colour in name.split() for colour in COLOURS)
