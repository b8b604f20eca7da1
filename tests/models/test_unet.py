import torch

from models.config import ModelConfig
from models.unet import build_unet

NANO = ModelConfig.of_size("nano")


def test_prediction_has_the_shape_of_the_latents() -> None:
    unet = build_unet(NANO)
    latents = torch.randn(2, NANO.autoencoder.latent_channels, 8, 8)

    prediction = unet(latents, torch.tensor([0, 999]), torch.randn(2, 32, 384)).sample

    assert prediction.shape == latents.shape


def test_prediction_depends_on_the_text() -> None:
    torch.manual_seed(0)
    unet = build_unet(NANO).eval()
    latents = torch.randn(1, NANO.autoencoder.latent_channels, 8, 8)

    one, other = (unet(latents, 500, torch.randn(1, 32, 384)).sample for _ in range(2))

    assert not torch.allclose(one, other)


def test_heads_have_the_configured_width() -> None:
    tiny = ModelConfig.of_size("tiny")

    attention = build_unet(tiny).mid_block.attentions[0].transformer_blocks[0].attn2

    assert attention.inner_dim // attention.heads == tiny.unet.attention_head_width


def test_attention_is_only_on_the_levels_that_ask_for_it() -> None:
    unet = build_unet(ModelConfig.of_size("tiny"))

    kinds = [type(block).__name__ for block in unet.down_blocks]

    assert kinds == ["DownBlock2D", "CrossAttnDownBlock2D"]
