"""The denoising network: a UNet2DConditionModel built from config.

Knows its own shape. Knows nothing of noise schedules or text.
"""

from diffusers import UNet2DConditionModel

from models.config import ModelConfig


def build_unet(model: ModelConfig) -> UNet2DConditionModel:
    """An untrained U-Net over `[n, latent_channels, h, w]` with text states `[n, tokens, width]`.

    Few wide heads: on small latents the cost of attention is in the number of heads.
    """
    unet, channels = model.unet, model.autoencoder.latent_channels
    attention = unet.attention_levels
    return UNet2DConditionModel(
        sample_size=model.latent_size,
        in_channels=channels,
        out_channels=channels,
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
