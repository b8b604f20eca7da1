from pathlib import Path

import numpy as np

from models.training.colours import COLOURS, SHAPES
from models.training.data import Record, TrainingSet, plain_shapes


def record(label: str, split: str) -> Record:
    return Record(label, "flat icon", ("tag", "other"), 0.5, "red", split)


def test_set_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    masters = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 4), dtype=np.uint8)
    saved = TrainingSet(masters, [record("cat", "train"), record("dog", "style")])

    saved.save(tmp_path / "pictures.npz")
    loaded = TrainingSet.load(tmp_path / "pictures.npz")

    assert np.array_equal(loaded.masters, masters)
    assert loaded.records == saved.records


def test_splits_do_not_overlap() -> None:
    masters = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    data = TrainingSet(masters, [record(s, s) for s in ("train", "style", "train")])

    train = data.of_split("train")

    assert train.masters.ravel().tolist() == [0, 2]
    assert {r.split for r in train.records} == {"train"}


def test_there_is_a_shape_of_every_kind_in_every_colour() -> None:
    masters, records = plain_shapes(16)

    assert len(masters) == len(SHAPES) * len(COLOURS)
    assert "light blue triangle" in {r.label for r in records}
    assert {r.split for r in records} == {"train"}
