"""The training set: masters with their names, drawn once and kept in one file.

Knows which drawings belong to which split. Knows nothing of latents or embeddings.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.training.colours import COLOURS, SHAPES, draw_shape, main_hue
from models.training.concepts import load_concepts
from models.training.drawings import SETS, draw_set

# Never trained on: the style that tells how the model does on drawings of another hand.
HELD_OUT_SET = "emojione"
SHAPE_WEIGHT = 0.5


@dataclass(frozen=True)
class DataConfig:
    """Which drawings. The defaults are what a model of 64 pixels learns on a CPU in an hour."""

    sets: tuple[str, ...] = ("fluent-flat", "fluent-3d", "noto", "twemoji")
    selection: str = "core"
    native_size: int = 64


@dataclass(frozen=True)
class Record:
    """What is known of one master."""

    label: str
    style: str
    tags: tuple[str, ...]
    weight: float
    hue: str | None
    split: str


@dataclass(frozen=True)
class TrainingSet:
    """Masters, uint8 `[n, native_size, native_size, 4]`, and a record for each."""

    masters: np.ndarray
    records: list[Record]

    def of_split(self, split: str) -> "TrainingSet":
        """The part for "train", "concepts" (held-out concepts) or "style" (held-out style)."""
        rows = [i for i, record in enumerate(self.records) if record.split == split]
        return TrainingSet(self.masters[rows], [self.records[i] for i in rows])

    def save(self, path: Path) -> None:
        """Write masters and records to one compressed file."""
        records = json.dumps([asdict(record) for record in self.records])
        np.savez_compressed(path, masters=self.masters, records=np.array(records))

    @classmethod
    def load(cls, path: Path) -> "TrainingSet":
        """Read what `save` wrote."""
        with np.load(path) as file:
            records = [
                Record(**entry | {"tags": tuple(entry["tags"])})
                for entry in json.loads(file["records"].item())
            ]
            return cls(file["masters"], records)


def build(config: DataConfig, cache: Path) -> TrainingSet:
    """Fetch, verify and draw everything. A minute or two; the same bytes every time."""
    masters, records = plain_shapes(config.native_size)
    concepts = load_concepts(cache, config.selection)
    for name in (*config.sets, HELD_OUT_SET):
        drawings = SETS[name]
        for concept, master in draw_set(drawings, concepts, cache, config.native_size):
            split = "concepts" if concept.is_held_out else "train"
            split = "style" if name == HELD_OUT_SET else split
            hue = main_hue(master)
            masters.append(master)
            records.append(
                Record(concept.label, drawings.style, concept.tags, concept.weight, hue, split)
            )
    return TrainingSet(np.stack(masters), records)


def plain_shapes(pixels: int) -> tuple[list[np.ndarray], list[Record]]:
    """Every shape in every colour: the plainest lesson in binding a colour to a thing."""
    masters, records = [], []
    for shape in SHAPES:
        for colour in COLOURS:
            masters.append(draw_shape(shape, colour, pixels))
            label = f"{colour} {shape}"
            records.append(Record(label, "plain shape", (), SHAPE_WEIGHT, None, "train"))
    return masters, records
