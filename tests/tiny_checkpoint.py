"""A checkpoint small enough to test with: random weights, real modules, diffusers' layout."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from models import checkpoint, schedulers
from models.card import ModelCard
from models.families.default import DefaultFamily
from models.pipeline import LatentDiffusionPipeline, Pixels

TEXT_LENGTH, TEXT_WIDTH = 32, 384


class TinyTextEncoder(nn.Module):
    """Random embeddings of the words, zero at padding: the interface of the real encoder."""

    width = TEXT_WIDTH
    max_length = TEXT_LENGTH

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(64, TEXT_WIDTH)
        nn.init.normal_(self.words.weight, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def forward(self, prompts: Sequence[str]) -> Tensor:
        embeds = torch.zeros(len(prompts), TEXT_LENGTH, TEXT_WIDTH)
        for row, prompt in zip(embeds, prompts, strict=True):
            words = ["[start]", *prompt.split()][:TEXT_LENGTH]
            ids = [hashlib.sha256(word.encode()).digest()[0] % 64 for word in words]
            row[: len(ids)] = self.words(torch.tensor(ids))
        return embeds

    def truncates(self, prompt: str) -> bool:
        return len(prompt.split()) + 1 > TEXT_LENGTH


def tiny_unet(latent_channels: int = 4) -> UNet2DConditionModel:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()
    _give_unit_spread(unet)
    return unet


def tiny_vae(latent_channels: int = 4) -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.7,
        shift_factor=0.1,
        mid_block_add_attention=False,
    ).eval()


ZERO_SNR: dict[str, Any] = {  # as the default model is trained
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
}
EPSILON: dict[str, Any] = {  # as Stable Diffusion 1 is trained; the only one of the two for Heun
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}


def tiny_card(scheduler: DDIMScheduler) -> ModelCard:
    return ModelCard(
        family="default",
        native_size=64,
        size_multiple=16,
        min_size=64,
        max_size=128,
        default_num_inference_steps=20,
        default_guidance_scale=4.0,
        default_scheduler="ddim",
        schedulers=tuple(schedulers.supported(scheduler.config)),
        license="none: random weights",
        created=int(time.time()),
        files={},
    )


def write_tiny_checkpoint(folder: Path, noise_schedule: dict[str, Any] = ZERO_SNR) -> Path:
    """A loadable checkpoint folder of random weights: 64 px, latents `[4, 8, 8]`."""
    scheduler = DDIMScheduler(**noise_schedule)
    checkpoint.save(folder, tiny_card(scheduler), tiny_unet(), tiny_vae(), scheduler)
    return folder


class TinyPipeline(LatentDiffusionPipeline):
    """The real pipeline, which also remembers the latents of every image it decoded."""

    def __init__(self, folder: Path) -> None:
        super().__init__(DefaultFamily(checkpoint.load(folder), TinyTextEncoder()))
        self.decoded: list[Tensor] = []

    def decode_latents(self, latents: Tensor) -> Pixels:
        pixels = super().decode_latents(latents)
        self.decoded.append(latents)
        return pixels


@torch.no_grad()
def _give_unit_spread(unet: UNet2DConditionModel) -> None:
    """Scale the output as training would have: else errors and differences hide in tiny numbers."""
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(4, unet.config["in_channels"], 8, 8, generator=generator)
    embeds = torch.randn(4, TEXT_LENGTH, TEXT_WIDTH, generator=generator)
    timesteps = torch.tensor([900.0, 600.0, 300.0, 20.0])
    spread = unet(latents, timesteps, encoder_hidden_states=embeds).sample.std()
    unet.conv_out.weight.div_(spread)
    unet.conv_out.bias.div_(spread)
