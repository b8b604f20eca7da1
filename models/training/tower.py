"""Train the scorer of `models.evaluation`: pictures towards the words that are said of them.

Held-out concepts and the held-out style are not seen. Knows pictures and captions.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.evaluation.tower import ImageTower, text_vectors
from models.text_encoder import TextEncoder
from models.training.autoencoder import to_tensor
from models.training.latents import Variant
from models.training.loop import Budget
from models.training.precision import mixed_precision, training_device
from models.training.replicas import Replicas
from models.training.run import Recipe, Run

RECIPE = Recipe(batch_size=128, learning_rate=1e-3, warmup_steps=100, weight_decay=0.05)
SHIFT_PX = 4


def contrast(seen: Tensor, said: Tensor, temperature: Tensor, texts: Tensor) -> Tensor:
    """The symmetric loss of Radford et al. (2021) over unit vectors `[n, width]`.

    Captions that occur twice in a batch (`texts`, their numbers) are each other's right answers.
    """
    logits = seen @ said.T * temperature.exp().clamp(max=100)
    same = (texts[:, None] == texts[None, :]).float()
    target = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def moved(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same pictures `[n, h, w, 3]`, each shifted by some pixels."""
    shifts = rng.integers(-SHIFT_PX, SHIFT_PX + 1, (len(pictures), 2))
    return np.stack([np.roll(p, s, axis=(0, 1)) for p, s in zip(pictures, shifts, strict=True)])


def train(
    replicas: Replicas,
    made: list[Variant],
    recipe: Recipe,
    budget: Budget,
    path: Path,
    output: Path,
) -> None:
    """Train until the budget is spent; resumes from `path`, writes the average to `output`."""
    torch.manual_seed(recipe.seed)
    device = training_device()
    tower = ImageTower().to(device)
    captions = sorted({text for item in made for text in item.captions})
    index = {text: i for i, text in enumerate(captions)}
    vectors = text_vectors(TextEncoder.pretrained(device), captions).cpu()
    weights = np.array([item.weight for item in made])
    run = Run.begin(tower, recipe, budget, replicas, path)
    rng = np.random.default_rng([recipe.seed, run.global_step, replicas.rank])

    def next_loss() -> Tensor:
        rows = rng.choice(len(made), recipe.batch_size, p=weights / weights.sum())
        texts = torch.tensor([index[str(rng.choice(made[row].captions))] for row in rows])
        pictures = moved(np.stack([made[row].pixels for row in rows]), rng)
        with mixed_precision(device):
            seen = tower(to_tensor(pictures).to(device))
            said = vectors[texts].to(device)
            return contrast(seen.float(), said, tower.temperature, texts.to(device))

    run.train(next_loss, path)
    if replicas.is_first:
        run.ema.copy_to(tower)
        tower.half().save_pretrained(output)
