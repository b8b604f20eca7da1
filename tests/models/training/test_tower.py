from pathlib import Path

import numpy as np
import pytest
import torch

from models.evaluation.tower import ImageTower, text_vectors
from models.text_encoder import TextEncoder
from models.training.autoencoder import to_tensor
from models.training.colours import COLOURS
from models.training.latents import Variant
from models.training.loop import Budget
from models.training.replicas import Replicas
from models.training.run import Recipe
from models.training.tower import contrast, train

NAMES = ("red", "green", "blue", "yellow")


def test_captions_that_occur_twice_share_the_right_answer() -> None:
    unit, texts = torch.eye(3), torch.tensor([5, 5, 7])
    seen = said = unit[[0, 0, 1]]

    right = contrast(seen, said, torch.tensor(4.0), texts)

    assert right == pytest.approx(np.log(2) * 2 / 3, abs=0.01)
    assert contrast(seen, said[[2, 0, 1]], torch.tensor(4.0), texts) > 5


@pytest.mark.timeout(120)
def test_a_trained_tower_finds_the_words_for_a_picture(tmp_path: Path) -> None:
    flat = {name: np.full((32, 32, 3), COLOURS[name], np.uint8) for name in NAMES}
    made = [Variant(pixels, [f"a {name} wall"], 1.0) for name, pixels in flat.items()]
    recipe = Recipe(batch_size=16, learning_rate=2e-3, warmup_steps=2, ema_decay=0.9)

    train(Replicas(), made, recipe, Budget(60, 64), tmp_path / "tower.pt", tmp_path / "tower")

    tower = ImageTower.trained(tmp_path / "tower")
    seen = tower(to_tensor(np.stack(list(flat.values()))))
    said = text_vectors(TextEncoder.pretrained(), [f"a {name} wall" for name in NAMES])
    assert (seen @ said.T).argmax(dim=1).tolist() == [0, 1, 2, 3]
