"""An autoencoder for small machines: patches, their principal components, and a decoder that mends.

Every patch of `patch_size` pixels is told by its projection on a few fixed directions; the way
back adds what a small convolutional network has learnt of edges and seams. The latents' meaning
is fixed by the directions, so the decoder may be trained on at any time. It answers as diffusers'
AutoencoderKL does. Knows nothing of diffusion.
"""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 4  # the mending network works on cells of so many pixels


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Pixels `[n, 3, h, w]` in [-1, 1] to latents `[n, latent_channels, h / p, w / p]` and back."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 64,
        patch_size: int = 16,
        decoder_channels: int = 64,
        decoder_blocks: int = 3,
        posterior_std: float = 0.05,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
    ) -> None:
        """`posterior_std`: spread of the Gaussian around a latent, what the decoder puts up with.

        Raises:
            ValueError: the patch is not a multiple of 4 pixels.
        """
        super().__init__()
        if patch_size % STEM:
            raise ValueError(f"patch_size {patch_size} is not a multiple of {STEM}")
        patch, width = 3 * patch_size**2, decoder_channels
        cells = (patch_size // STEM) ** 2
        self.project = nn.Conv2d(patch, latent_channels, 1)
        self.restore = nn.Conv2d(latent_channels, patch, 1)
        self.spread = nn.Conv2d(latent_channels, width * cells, 3, padding=1)
        self.look = nn.Conv2d(3 * STEM**2, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(decoder_blocks))
        self.mend = nn.Conv2d(width, 3 * STEM**2, 3, padding=1)
        nn.init.zeros_(self.mend.weight)  # untrained, the decoder is the projection's inverse
        nn.init.zeros_(self.mend.bias)

    def encode(self, x: Tensor) -> AutoencoderKLOutput:
        """Pixels to a Gaussian around their projection."""
        mean = self.project(F.pixel_unshuffle(x, self.config["patch_size"]))
        spread = torch.full_like(mean, 2 * math.log(self.config["posterior_std"]))
        posterior = DiagonalGaussianDistribution(torch.cat([mean, spread], dim=1))
        return AutoencoderKLOutput(latent_dist=posterior)

    def decode(self, z: Tensor) -> DecoderOutput:
        """Unscaled latents to pixels, hardly ever outside [-1, 1]."""
        patch = self.config["patch_size"]
        coarse = F.pixel_shuffle(self.restore(z), patch)
        cells = F.pixel_shuffle(self.spread(z), patch // STEM)
        cells = cells + self.look(F.pixel_unshuffle(coarse, STEM))
        for block in self.blocks:
            cells = block(cells)
        return DecoderOutput(sample=coarse + F.pixel_shuffle(self.mend(F.silu(cells)), STEM))


class Block(nn.Module):
    """Two convolutions beside a straight way through: `[n, width, h, w]` to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))
