"""Pixels to latents and back: an AutoencoderKL or a PatchAutoencoder, with the scaling said once.

`latents = (z - shift_factor) * scaling_factor`, so that latents have zero mean and unit variance.
Knows nothing of diffusion.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models.config import AutoencoderConfig, PatchConfig
from models.patch_autoencoder import PatchAutoencoder

Autoencoder = AutoencoderKL | PatchAutoencoder
KINDS: Mapping[str, type[Autoencoder]] = {
    kind.__name__: kind for kind in (AutoencoderKL, PatchAutoencoder)
}


def build_autoencoder(config: AutoencoderConfig | PatchConfig, native_size: int) -> Autoencoder:
    """An untrained autoencoder: no attention, `config.factor` pixels to a latent."""
    if isinstance(config, PatchConfig):
        return PatchAutoencoder(**asdict(config))
    levels = len(config.block_out_channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
        norm_num_groups=config.norm_num_groups,
        sample_size=native_size,
        scaling_factor=1.0,
        shift_factor=0.0,
        mid_block_add_attention=False,
    )


def load_autoencoder(folder: Path) -> Autoencoder:
    """The trained autoencoder in a folder, whichever kind its config names."""
    name = AutoencoderKL.load_config(folder, local_files_only=True)["_class_name"]
    return KINDS[name].from_pretrained(
        folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
    )


@torch.no_grad()
def encode(vae: Autoencoder, pixels: Tensor) -> Tensor:
    """Pixels `[n, 3, height, width]` in [-1, 1] to scaled latents: the mode, not a sample."""
    z = vae.encode(pixels).latent_dist.mode()
    return (z - shift_factor(vae)) * vae.config["scaling_factor"]


@torch.no_grad()
def decode(vae: Autoencoder, latents: Tensor) -> Tensor:
    """Scaled latents to pixels `[n, 3, height, width]` in [-1, 1]."""
    z = latents / vae.config["scaling_factor"] + shift_factor(vae)
    return vae.decode(z).sample.clamp(-1, 1)


def set_scaling(vae: Autoencoder, z: Tensor) -> None:
    """Choose shift and scale so that a sample of unscaled latents gets mean 0 and variance 1."""
    vae.register_to_config(shift_factor=z.mean().item(), scaling_factor=1.0 / z.std().item())


def shift_factor(vae: Autoencoder) -> float:
    """The shift of this autoencoder; files of other makers leave it out or hold null."""
    return vae.config.get("shift_factor") or 0.0


def factor_of(config: Mapping[str, Any]) -> int:
    """Pixels along one side of a latent, from an autoencoder's config."""
    return config.get("patch_size") or 2 ** (len(config["block_out_channels"]) - 1)
