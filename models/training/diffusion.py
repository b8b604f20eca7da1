"""Train the U-Net to denoise latents under their captions.

Knows latents and embeddings. Knows nothing of pixels or words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from models.config import ModelConfig
from models.parametrization import Parametrization
from models.training import latents
from models.training.latents import LatentSet
from models.training.loop import Budget, load_state
from models.training.precision import mixed_precision, training_device
from models.training.replicas import Replicas
from models.training.run import Recipe, Run
from models.unet import GatedUNet, build_unet

RECIPE = Recipe(batch_size=32, learning_rate=5e-4, warmup_steps=300)
PROMPT_DROPOUT = 0.1


@dataclass(frozen=True)
class Batch:
    """Latents `[n, c, h, w]`, token states `[n, tokens, width]` and timesteps `[n]`."""

    latents: Tensor
    prompt_embeds: Tensor
    t: Tensor

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        return type(self)(*(tensor.to(device) for tensor in vars(self).values()))


def batches(
    data: LatentSet,
    recipe: Recipe,
    num_train_timesteps: int,
    generator: torch.Generator,
    dropout: float = PROMPT_DROPOUT,
) -> Iterator[Batch]:
    """Batches without end: rows by weight, some prompts dropped, timesteps spread evenly."""
    size = recipe.batch_size
    while True:
        rows = torch.multinomial(data.weight, size * 64, replacement=True, generator=generator)
        for part in rows.split(size):
            embeds = data.embeddings[data.text[part]].float()
            dropped = torch.rand(size, generator=generator) < dropout
            embeds[dropped] = data.empty.float()
            # One timestep from each of n equal strata: less noise in the gradient, same mean.
            strata = (torch.arange(size) + torch.rand(size, generator=generator)) / size
            t = (strata * num_train_timesteps).long()
            yield Batch(data.latents[data.picture[part]].float(), embeds, t)


def loss_of(
    unet: GatedUNet, batch: Batch, noise: Tensor, parametrization: Parametrization
) -> Tensor:
    """Weighted mean squared error of the prediction."""
    x_t = parametrization.add_noise(batch.latents, noise, batch.t)
    prediction = unet(x_t, batch.t, batch.prompt_embeds).sample.float()
    target = parametrization.training_target(batch.latents, noise, batch.t)
    error = (prediction - target).square().mean(dim=(1, 2, 3))
    return (parametrization.loss_weight(batch.t) * error).mean()


def averaged_unet(model: ModelConfig, path: Path) -> GatedUNet:
    """The U-Net with the moving average of a run's weights.

    Raises:
        FileNotFoundError: there is no such run.
    """
    state = load_state(path)
    if state is None:
        raise FileNotFoundError(f"no diffusion state at {path}")
    unet = build_unet(model)
    unet.load_state_dict({name: w for name, w in state["ema"].items() if name != "updates"})
    return unet


def carry_over(unet: GatedUNet, folder: Path) -> None:
    """Overwrite every weight that has its like, by name and shape, in the U-Net of `folder`.

    A body that has learnt what words look like on a grid of latents knows it for other latents
    on the same grid, too; the first and the last convolution learn the new ones. Of a plain U-Net
    the last one fits the ungated half.
    """
    other = UNet2DConditionModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
    ).state_dict()
    own = unet.state_dict()
    for name, weight in other.items():
        fits = name in own and own[name].shape[1:] == weight.shape[1:]
        if fits and len(own[name]) in (len(weight), 2 * len(weight)):
            own[name][: len(weight)].copy_(weight)


def train(
    replicas: Replicas,
    model: ModelConfig,
    pairs: Path,
    recipe: Recipe,
    budget: Budget,
    path: Path,
    start: Path | None = None,
) -> None:
    """Train until the budget is spent; resumes from `path` and keeps its state there.

    A new run begins with the body of the U-Net in the folder `start`, where that is given.
    """
    torch.manual_seed(recipe.seed)
    device = training_device()
    unet = build_unet(model)
    if start:
        carry_over(unet, start)
    unet.to(device)
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # its backward is far quicker than fused SDPA
    run = Run.begin(unet, recipe, budget, replicas, path)
    parametrization = Parametrization.of(model.diffusion, device)
    data = latents.load(pairs)
    seed = hash((recipe.seed, run.global_step, replicas.rank))
    generator = torch.Generator().manual_seed(seed)
    stream = batches(data, recipe, model.diffusion.num_train_timesteps, generator)

    def next_loss() -> Tensor:
        batch = next(stream).to(device)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        with mixed_precision(device):
            return loss_of(unet, batch, noise, parametrization)

    run.train(next_loss, path)
