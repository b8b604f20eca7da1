"""The denoising network: a UNet2DConditionModel with a gated way past it, built from config.

Knows its own shape. Knows nothing of sampling or text.
"""

import math
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor, nn

from models.config import ModelConfig

STEPS = 1000  # of the schedule that `rate` is of
OFFSET = 0.008  # s of Nichol and Dhariwal (2021), equation 17


class GatedUNet(UNet2DConditionModel):
    """A U-Net that lets each channel of x_t past itself, as much as it sees fit at each place.

    Latents of large patches are nearly nothing in most channels of a flat drawing, where v is the
    noise itself, times alpha / sigma. A trunk of 128 channels cannot carry the noise of 64; it can
    say where there is nothing but noise. Half of the last convolution's channels say so: v is the
    one half, plus alpha / sigma times x_t times the other. At zero the gates leave a plain U-Net.
    """

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        *args: Any,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> UNet2DConditionOutput | tuple[Tensor]:
        """Rows `[n, C, h, w]`, `[n]` or one, `[n, length, width]` to v `[n, C, h, w]`."""
        said = super().forward(
            sample, timestep, encoder_hidden_states, *args, return_dict=False, **kwargs
        )[0]
        content, gate = said.chunk(2, dim=1)
        v = content + rate(timestep, sample) * sample * gate
        return UNet2DConditionOutput(sample=v) if return_dict else (v,)


def rate(timestep: Tensor | float, like: Tensor) -> Tensor:
    """Alpha / sigma of the cosine schedule, `[n or 1, 1, 1, 1]`; any real timestep, 71 at most."""
    t = torch.as_tensor(timestep, dtype=torch.float32, device=like.device).reshape(-1, 1, 1, 1)
    angle = ((t + 1) / STEPS + OFFSET) / (1 + OFFSET) * math.pi / 2
    return (torch.cos(angle) / torch.sin(angle)).to(like.dtype)


def build_unet(model: ModelConfig) -> GatedUNet:
    """An untrained U-Net over `[n, latent_channels, h, w]` with text states `[n, tokens, width]`.

    Few wide heads: on small latents the cost of attention is in the number of heads.
    """
    unet, channels = model.unet, model.autoencoder.latent_channels
    attention = unet.attention_levels
    built = GatedUNet(
        sample_size=model.latent_size,
        in_channels=channels,
        out_channels=2 * channels,
        block_out_channels=unet.block_out_channels,
        layers_per_block=unet.layers_per_block,
        down_block_types=tuple(
            "CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attention
        ),
        up_block_types=tuple(
            "CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)
        ),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=unet.cross_attention_dim,
        # diffusers' name for the number of heads on each level, kept for old checkpoints
        attention_head_dim=tuple(
            width // unet.attention_head_width for width in unet.block_out_channels
        ),
        norm_num_groups=unet.norm_num_groups,
    )
    for weight in (built.conv_out.weight, built.conv_out.bias):
        nn.init.zeros_(weight[channels:])
    return built
