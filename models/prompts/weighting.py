"""`(word:1.3)`: what part of a prompt counts how much.

The grammar that people know from other programs: `(a)` counts 1.1 times, `(a:1.3)` 1.3 times,
brackets within brackets multiply, a backslash before a bracket makes it a letter. A bracket without
its other half is a letter too. Knows text alone.
"""

import re
from dataclasses import dataclass, replace

EMPHASIS = 1.1
MAX_WEIGHT = 10.0
PIECE = re.compile(r"\\[()\\]|[()]|[^()\\]+|\\")
NUMBER = re.compile(r":\s*(\d+(?:\.\d*)?|\.\d+)\s*$")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a prompt and its weight."""

    text: str
    weight: float = 1.0


def fragments(prompt: str) -> list[Fragment]:
    """The prompt in stretches of equal weight; one of weight 1 if nothing is weighted."""
    groups: list[list[Fragment]] = [[]]
    for piece in PIECE.findall(prompt):
        if piece == "(":
            groups.append([])
        elif piece == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1] += _weigh(inner)
        else:
            groups[-1].append(
                Fragment(piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece)
            )
    while len(groups) > 1:  # opened and never closed
        inner = groups.pop()
        groups[-1] += [Fragment("("), *inner]
    return _merge(groups[0])


def _weigh(inner: list[Fragment]) -> list[Fragment]:
    """A closed bracket: its number, if it ends in one, or else the usual emphasis."""
    weight = EMPHASIS
    if inner and (number := NUMBER.search(inner[-1].text)):
        weight = float(number[1])
        inner = [*inner[:-1], replace(inner[-1], text=inner[-1].text[: number.start()])]
    return [replace(one, weight=min(one.weight * weight, MAX_WEIGHT)) for one in inner]


def _merge(parts: list[Fragment]) -> list[Fragment]:
    merged: list[Fragment] = []
    for part in parts:
        if merged and merged[-1].weight == part.weight:
            merged[-1] = replace(merged[-1], text=merged[-1].text + part.text)
        elif part.text:
            merged.append(part)
    return merged
