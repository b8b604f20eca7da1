from pathlib import Path

import numpy as np
import pytest
import torch

from models.autoencoder import encode, load_autoencoder
from models.config import ModelConfig, PatchConfig
from models.training import patches
from models.training.autoencoder import picture_batch
from models.training.data import TrainingSet, plain_shapes
from models.training.loop import Budget
from models.training.replicas import Replicas
from models.training.run import Recipe

MODEL = ModelConfig("test", native_size=32, autoencoder=PatchConfig(12, 8, 16, 1))
RECIPE = Recipe(batch_size=8, learning_rate=3e-3, warmup_steps=4, ema_decay=0.9)


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> TrainingSet:
    monkeypatch.setattr(patches, "FITTED_ON", 64)
    masters, records = plain_shapes(32)
    return TrainingSet(np.stack(masters), records)


@pytest.mark.timeout(120)
def test_training_mends_pictures_and_leaves_the_latents_alone(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    pixels = picture_batch(shapes.masters, 64, np.random.default_rng(9))

    losses, latents = [], []
    for max_steps in (1, 160):
        patches.train(Replicas(), MODEL, shapes, RECIPE, Budget(60, max_steps), tmp_path)
        vae = load_autoencoder(tmp_path / "vae")
        latents.append(encode(vae, pixels))
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(patches.loss_of(vae, pixels).item())

    torch.testing.assert_close(latents[0], latents[1])
    assert losses[1] < 0.95 * losses[0]


@pytest.mark.timeout(120)
def test_a_decoder_is_trained_on_from_what_was_saved(shapes: TrainingSet, tmp_path: Path) -> None:
    patches.train(Replicas(), MODEL, shapes, RECIPE, Budget(60, 1), tmp_path)
    before = load_autoencoder(tmp_path / "vae")

    patches.refine_decoder(Replicas(), shapes, RECIPE, Budget(60, 80), tmp_path)

    after = load_autoencoder(tmp_path / "vae")
    pixels = picture_batch(shapes.masters, 64, np.random.default_rng(9))
    with torch.no_grad():
        losses = [torch.manual_seed(0) and patches.loss_of(vae, pixels) for vae in (before, after)]
    assert losses[1] < 0.95 * losses[0]
    torch.testing.assert_close(encode(before, pixels), encode(after, pixels))
