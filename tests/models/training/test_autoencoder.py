from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from models.autoencoder import encode
from models.config import ModelConfig
from models.training.autoencoder import picture_batch, psnr, to_tensor, train
from models.training.data import TrainingSet, plain_shapes
from models.training.loop import Budget
from models.training.replicas import Replicas
from models.training.run import Recipe

NANO = ModelConfig.of_size("nano")
RECIPE = Recipe(batch_size=4, learning_rate=2e-3, warmup_steps=4, ema_decay=0.9)


@pytest.fixture
def shapes() -> TrainingSet:
    masters, records = plain_shapes(16)
    return TrainingSet(np.stack(masters), records)


def test_pictures_come_as_pixels_between_minus_one_and_one(shapes: TrainingSet) -> None:
    pixels = picture_batch(shapes.masters, 16, np.random.default_rng(0))

    assert pixels.shape == (16, 3, 16, 16)
    assert pixels.min() >= -1
    assert pixels.max() == 1


def test_channels_keep_their_order() -> None:
    red = np.full((1, 2, 2, 3), (255, 0, 0), np.uint8)

    assert to_tensor(red)[0, :, 0, 0].tolist() == [1, -1, -1]


@pytest.mark.timeout(120)
def test_training_makes_a_scaled_autoencoder_that_knows_pictures_better(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    scores = []
    for max_steps in (8, 80):
        train(Replicas(), NANO, shapes, RECIPE, Budget(60, max_steps), tmp_path)
        vae = AutoencoderKL.from_pretrained(tmp_path / "vae", local_files_only=True)
        scores.append(psnr(vae, TrainingSet(shapes.masters[:12], shapes.records[:12])))

    latents = encode(vae, picture_batch(shapes.masters, 128, np.random.default_rng(1)))
    assert scores[1] > scores[0] + 0.5
    assert latents.std().item() == pytest.approx(1, abs=0.2)
    assert torch.isfinite(latents).all()
