from pathlib import Path

import numpy as np
import pytest
import torch

from models.autoencoder import build_autoencoder
from models.config import ModelConfig
from models.text_encoder import TextEncoder
from models.training.colours import COLOURS
from models.training.data import Record, TrainingSet, plain_shapes
from models.training.latents import (
    build,
    captioned_pictures,
    is_held_out,
    load,
    save,
    scenes,
    variants,
)

NANO = ModelConfig.of_size("nano")


@pytest.fixture(scope="module")
def shapes() -> TrainingSet:
    masters, records = plain_shapes(NANO.native_size)
    return TrainingSet(np.stack(masters[:24]), records[:24])


def test_a_coloured_thing_is_never_hidden_on_its_own_colour(shapes: TrainingSet) -> None:
    made = captioned_pictures(shapes, frozenset(), seed=0)

    assert all(len(np.unique(item.pixels.reshape(-1, 3), axis=0)) > 1 for item in made)


def test_recoloured_drawing_is_named_by_its_new_colour() -> None:
    master = np.zeros((64, 64, 4), np.uint8)
    master[16:48, 16:48] = (222, 46, 52, 255)
    record = Record("red apple", "cartoon", ("fruit",), 1.0, "red", "train")

    made = variants(master, record, np.random.default_rng(0))

    recoloured = [
        item for item in made if not np.array_equal(item.pixels[32, 32], master[32, 32, :3])
    ]
    assert recoloured
    names = [text for item in recoloured for text in item.captions]
    assert all("red apple" not in text and "apple" in text for text in names)
    assert all("fruit" not in text for text in names)


def test_combinations_kept_for_evaluation_are_never_made() -> None:
    master = np.zeros((64, 64, 4), np.uint8)
    master[16:48, 16:48] = (222, 46, 52, 255)
    kept = {c for c in COLOURS if is_held_out("red apple", "flat icon", c)}
    record = Record("red apple", "flat icon", (), 1.0, "red", "train")

    said = {
        text
        for seed in range(20)
        for item in variants(master, record, np.random.default_rng(seed))
        for text in item.captions
    }

    assert len({c for c in COLOURS if f"an apple on a {c} background" in said}) > 3
    assert not any(f"{colour} background" in text for text in said for colour in kept)


def test_kept_combinations_are_about_one_in_twenty() -> None:
    found = [is_held_out(f"thing {i}", "cartoon", "red") for i in range(2_000)]

    assert 0.03 < np.mean(found) < 0.08
    assert not is_held_out("thing", "cartoon", "white")


def test_scenes_hold_several_everyday_things() -> None:
    masters = np.zeros((3, 64, 64, 4), np.uint8)
    masters[:, 16:48, 16:48] = (222, 46, 52, 255)
    records = [Record(n, "flat icon", (), 1.0, None, "train") for n in ("star", "owl", "zeppelin")]

    made = list(scenes(TrainingSet(masters, records), np.random.default_rng(0)))

    said = " / ".join(text for item in made for text in item.captions)
    assert all(words in said for words in ("two stars", "three owls", "a star", "an owl"))
    assert "zeppelin" not in said


def test_evaluation_prompts_are_left_out(shapes: TrainingSet) -> None:
    said = {t for item in captioned_pictures(shapes, frozenset(), 0) for t in item.captions}
    prompt = sorted(said)[0]

    made = captioned_pictures(shapes, frozenset({prompt.lower()}), 0)

    assert prompt not in {text for item in made for text in item.captions}


@pytest.mark.timeout(180)
def test_pairs_hold_each_picture_and_each_caption_once(shapes: TrainingSet, tmp_path: Path) -> None:
    made = captioned_pictures(shapes, frozenset(), 0)[:40]
    vae = build_autoencoder(NANO.autoencoder, NANO.native_size).eval()
    text_encoder = TextEncoder.pretrained()

    pairs, captions = build(vae, text_encoder, made)
    save(pairs, tmp_path / "latents.pt")
    loaded = load(tmp_path / "latents.pt")

    assert len(set(captions)) == len(captions) == len(loaded.embeddings)
    assert loaded.latents.shape == (40, NANO.autoencoder.latent_channels, 8, 8)
    for row in (0, len(loaded.text) - 1):
        item = made[loaded.picture[row]]
        assert captions[loaded.text[row]] in item.captions
    expected = text_encoder([captions[0]])[0]
    error = (loaded.embeddings[0].float() - expected).abs().mean()
    assert error < 0.02 * expected.abs().max()
    assert torch.allclose(loaded.weight.sum(), torch.tensor(sum(i.weight for i in made)))
