"""What the drawings show: names, keywords and groups of emoji, and which of them are trained on.

Knows the names package. Knows nothing of pictures.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.training.packages import NAMES, fetch, read_json

EVERYDAY = Path(__file__).with_name("everyday.txt")


@dataclass(frozen=True)
class Concept:
    """One thing with a name, drawn by several sets."""

    code: str
    label: str
    tags: tuple[str, ...]
    weight: float

    @property
    def slug(self) -> str:
        """The label as icon sets spell it in their keys."""
        return re.sub(r"[^a-z0-9]+", "-", self.label.replace("\u2019", "").lower()).strip("-")

    @property
    def is_held_out(self) -> bool:
        """A tenth of all concepts, by the hash of the label, is never trained on."""
        return hashlib.sha256(self.label.encode()).digest()[0] % 10 == 0


# By group of the names package: faces, animals and food first, people and signs last.
GROUP_WEIGHTS = {0: 1.0, 1: 0.25, 3: 1.0, 4: 1.0, 5: 0.6, 6: 0.5, 7: 0.5, 8: 0.25}
# Left out of "core": gendered and posed people, skin and hair parts, and signs without a picture.
ABSTRACT_SUBGROUPS = frozenset({*range(24, 25), *range(27, 34), 49, *range(83, 96), 97, 98, 99})
ABSTRACT_LABEL = re.compile(
    r"o\u2019clock|thirty|^(wo)?man|^men|^women|:|button|moon (symbol|face)"
)


def normal_code(code: str) -> str:
    """Code points in one spelling: lower case, without variation selectors."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


@cache
def everyday_names() -> dict[str, tuple[str, ...]]:
    """Labels of everyday things, and the names that people have for each, the plainest first."""
    names = {}
    for line in EVERYDAY.read_text().splitlines():
        label, _, others = line.partition(" = ")
        names[label] = (*(name.strip() for name in others.split(",") if name), label)
    return names


def load_concepts(cache: Path, selection: str) -> list[Concept]:
    """The concepts of a selection: "core" (concrete) or "all" (only flags are left out)."""
    archive = fetch(NAMES, cache)
    concepts = []
    for entry in read_json(archive, "en/data.json"):
        group, label = entry.get("group"), entry["label"]
        if group not in GROUP_WEIGHTS:
            continue
        is_abstract = entry["subgroup"] in ABSTRACT_SUBGROUPS or ABSTRACT_LABEL.search(label)
        if selection == "core" and is_abstract:
            continue
        words = set(re.findall(r"[a-z]+", label.lower()))
        tags = tuple(tag for tag in entry.get("tags", ()) if tag.isascii() and tag not in words)
        concepts.append(
            Concept(normal_code(entry["hexcode"]), label.lower(), tags, GROUP_WEIGHTS[group])
        )
    return concepts
