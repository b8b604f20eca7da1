"""Train the autoencoder: pixels to latents and back.

Knows pictures. Knows nothing of captions or diffusion.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from models.autoencoder import Autoencoder, build_autoencoder, decode, encode, set_scaling
from models.config import ModelConfig
from models.training.colours import COLOURS, jittered, on_background
from models.training.data import TrainingSet
from models.training.loop import Budget
from models.training.precision import mixed_precision, training_device
from models.training.replicas import Replicas
from models.training.run import Recipe, Run

RECIPE = Recipe(batch_size=8, learning_rate=1.5e-3, weight_decay=1e-4)
KL_WEIGHT = 1e-5
VIEW_WEIGHTS = (1.0, 0.5, 0.5)


def picture_batch(
    masters: np.ndarray, size: int, rng: np.random.Generator, is_moved: bool = True
) -> Tensor:
    """Random masters on random backgrounds, mirrored and shifted: `[size, 3, h, w]` in [-1, 1]."""
    pictures = []
    for row in rng.integers(0, len(masters), size):
        name = "white" if rng.random() < 0.3 else str(rng.choice(list(COLOURS)))
        picture = on_background(masters[row], jittered(name, rng, 16))
        if is_moved:
            picture = picture[:, :: rng.choice((-1, 1))]
            picture = np.roll(picture, rng.integers(-3, 4, 2), axis=(0, 1))
        pictures.append(picture)
    return to_tensor(np.stack(pictures))


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 `[n, h, w, 3]` to float `[n, 3, h, w]` in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def views(pixels: Tensor) -> tuple[Tensor, ...]:
    """What L1 alone is slow to learn, for next to nothing: coarse colours and edges."""
    return F.avg_pool2d(pixels, 8), pixels.diff(dim=-1), pixels.diff(dim=-2)


def reconstruction_loss(sample: Tensor, pixels: Tensor) -> Tensor:
    """L1 on pixels and on their views, and MSE."""
    pairs = zip(views(sample), views(pixels), VIEW_WEIGHTS, strict=True)
    seen = sum(weight * F.l1_loss(ours, true) for ours, true, weight in pairs)
    return F.l1_loss(sample, pixels) + F.mse_loss(sample, pixels) + seen


def loss_of(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    """The reconstruction and the KL term of Kingma & Welling (2014)."""
    posterior = vae.encode(pixels).latent_dist
    sample = vae.decode(posterior.sample()).sample.float()
    kl = posterior.kl().mean() / pixels[0].numel()
    return reconstruction_loss(sample, pixels) + KL_WEIGHT * kl


def train(
    replicas: Replicas,
    model: ModelConfig,
    data: TrainingSet,
    recipe: Recipe,
    budget: Budget,
    folder: Path,
) -> None:
    """Train until the budget is spent; resumes from `folder`, writes the averaged vae into it."""
    torch.manual_seed(recipe.seed)
    device = training_device()
    vae = build_autoencoder(model.autoencoder, model.native_size).to(device)
    path = folder / "autoencoder.pt"
    run = Run.begin(vae, recipe, budget, replicas, path)
    torch.manual_seed(recipe.seed + 1 + replicas.rank)
    rng = np.random.default_rng([recipe.seed, run.global_step, replicas.rank])
    masters = data.of_split("train").masters

    def next_loss() -> Tensor:
        pixels = picture_batch(masters, recipe.batch_size, rng).to(device)
        with mixed_precision(device):
            return loss_of(vae, pixels)

    run.train(next_loss, path)
    if replicas.is_first:
        run.ema.copy_to(vae)
        measure_scaling(vae, data, recipe)
        vae.save_pretrained(folder / "vae")


def refine_decoder(
    replicas: Replicas, data: TrainingSet, recipe: Recipe, budget: Budget, folder: Path
) -> None:
    """Train only the decoder of the vae in `folder` on: latents keep their meaning.

    For the time that is left once latents are encoded; what the U-Net has learnt stays true.
    """
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
    vae.to(training_device()).encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    path = folder / "decoder.pt"
    run = Run.begin(vae, recipe, budget, replicas, path)
    rng = np.random.default_rng([recipe.seed + 1, run.global_step, replicas.rank])
    masters = data.of_split("train").masters

    def next_loss() -> Tensor:
        pixels = picture_batch(masters, recipe.batch_size, rng, is_moved=False).to(vae.device)
        with mixed_precision(vae.device):
            with torch.no_grad():
                z = vae.encode(pixels).latent_dist.mode()
            return reconstruction_loss(vae.decode(z).sample.float(), pixels)

    run.train(next_loss, path)
    if replicas.is_first:
        run.ema.copy_to(vae)
        vae.save_pretrained(folder / "vae")


def measure_scaling(vae: AutoencoderKL, data: TrainingSet, recipe: Recipe) -> None:
    """Set shift and scale from the latents of 256 training pictures, 196,608 numbers for tiny."""
    rng = np.random.default_rng(recipe.seed)
    pixels = picture_batch(data.of_split("train").masters, 256, rng)
    vae.register_to_config(shift_factor=0.0, scaling_factor=1.0)
    set_scaling(vae, torch.cat([encode(vae, batch) for batch in pixels.to(vae.device).split(64)]))


def psnr(vae: Autoencoder, data: TrainingSet) -> float:
    """Mean peak signal-to-noise ratio in dB over pictures on white, pixel range [0, 1]."""
    values = []
    for start in range(0, len(data.masters), 64):
        pixels = to_tensor(on_background(data.masters[start : start + 64], COLOURS["white"]))
        pixels = pixels.to(vae.device)
        mse = ((decode(vae, encode(vae, pixels)) - pixels) / 2).square().mean(dim=(1, 2, 3))
        values.append(-10 * mse.clamp_min(1e-10).log10())
    return torch.cat(values).mean().item()
