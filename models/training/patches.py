"""The patch autoencoder: its directions from pictures in closed form, its decoder by training.

Knows pictures. Knows nothing of captions or diffusion.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.autoencoder import build_autoencoder, load_autoencoder
from models.config import ModelConfig
from models.patch_autoencoder import PatchAutoencoder
from models.training.autoencoder import picture_batch, reconstruction_loss
from models.training.data import TrainingSet
from models.training.loop import Budget
from models.training.precision import mixed_precision, training_device
from models.training.replicas import Replicas
from models.training.run import Recipe, Run

RECIPE = Recipe(batch_size=8, learning_rate=1e-3, weight_decay=1e-4)
FITTED_ON = 2_000  # pictures
SHAKEN = 0.4  # at most, in standard deviations of the latents
# 1 would make every latent equally wide, 0 keep them as wide as pixels have them. In between, what
# matters to the eye is decided first on the way down from noise, and detail last.
WHITENING = 0.65


def fit(vae: PatchAutoencoder, pixels: Tensor) -> None:
    """Set projection and restoration from the patches of `[n, 3, h, w]` (Pearson 1901).

    The latents come out with mean 0 and, all together, variance 1.
    """
    size, channels = vae.config["patch_size"], vae.config["latent_channels"]
    patches = F.pixel_unshuffle(pixels, size).movedim(1, -1).flatten(0, 2).double()
    mean = patches.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov(patches.T))
    spread = variances.flip(0)[:channels].clamp_min(1e-12).sqrt()
    directions = directions.flip(1)[:, :channels]
    width = spread**WHITENING
    width = width * (spread / width).square().mean().sqrt()
    shape = (channels, patches.shape[1], 1, 1)
    with torch.no_grad():
        vae.project.weight.copy_((directions / width).T.reshape(shape))
        vae.project.bias.copy_(-(mean @ directions) / width)
        vae.restore.weight.copy_((directions * width).reshape(shape[1], channels, 1, 1))
        vae.restore.bias.copy_(mean)


def loss_of(vae: PatchAutoencoder, pixels: Tensor) -> Tensor:
    """The reconstruction from shaken latents, each picture's as much as chance has it.

    A U-Net that has not learnt the finest detail leaves noise in it: the decoder takes it out.
    """
    with torch.no_grad():
        z = vae.encode(pixels).latent_dist.mode()
        level = torch.rand(len(z), 1, 1, 1, device=z.device) * SHAKEN
        z = z + level * torch.randn_like(z)
    return reconstruction_loss(vae.decode(z).sample.float(), pixels)


def train(
    replicas: Replicas,
    model: ModelConfig,
    data: TrainingSet,
    recipe: Recipe,
    budget: Budget,
    folder: Path,
) -> None:
    """Fit the directions, then train the decoder until the budget is spent.

    Resumes from `folder`; writes the averaged vae into it.
    """
    torch.manual_seed(recipe.seed)
    vae = build_autoencoder(model.autoencoder, model.native_size)
    masters = data.of_split("train").masters
    fit(vae, picture_batch(masters, FITTED_ON, np.random.default_rng(recipe.seed)))
    mend(replicas, vae, masters, recipe, budget, folder / "autoencoder.pt")


def refine_decoder(
    replicas: Replicas, data: TrainingSet, recipe: Recipe, budget: Budget, folder: Path
) -> None:
    """Train the decoder of the vae in `folder` on: latents keep their meaning."""
    vae = load_autoencoder(folder / "vae").train()
    mend(replicas, vae, data.of_split("train").masters, recipe, budget, folder / "decoder.pt")


def mend(
    replicas: Replicas,
    vae: PatchAutoencoder,
    masters: np.ndarray,
    recipe: Recipe,
    budget: Budget,
    path: Path,
) -> None:
    """Train what mends; the state goes to `path`, the averaged vae beside it."""
    device = training_device()
    for straight in (vae.to(device).project, vae.restore):  # there and back, the best there is
        straight.requires_grad_(False)
    run = Run.begin(vae, recipe, budget, replicas, path)
    torch.manual_seed(recipe.seed + 1 + replicas.rank)
    rng = np.random.default_rng([recipe.seed, run.global_step, replicas.rank])

    def next_loss() -> Tensor:
        pixels = picture_batch(masters, recipe.batch_size, rng).to(device)
        with mixed_precision(device):
            return loss_of(vae, pixels)

    run.train(next_loss, path)
    if replicas.is_first:
        run.ema.copy_to(vae)
        vae.save_pretrained(path.parent / "vae")
