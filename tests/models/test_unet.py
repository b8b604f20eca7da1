import torch

from models.config import ModelConfig
from models.parametrization import Parametrization
from models.unet import GatedUNet, build_unet

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


def test_a_new_network_is_a_plain_one_until_its_gates_have_learnt() -> None:
    torch.manual_seed(0)
    unet = build_unet(NANO).eval()
    latents, text = torch.randn(2, 4, 8, 8), torch.randn(2, 32, 384)

    plain = super(GatedUNet, unet).forward(latents, torch.tensor([5, 500]), text).sample

    assert torch.equal(unet(latents, torch.tensor([5, 500]), text).sample, plain[:, :4])


def test_open_gates_know_that_there_is_nothing_but_noise() -> None:
    """Where x0 is zero, v is alpha / sigma times x_t (Salimans & Ho 2022)."""
    unet = build_unet(NANO).eval()
    torch.nn.init.zeros_(unet.conv_out.weight)
    torch.nn.init.zeros_(unet.conv_out.bias[:4])
    torch.nn.init.ones_(unet.conv_out.bias[4:])
    parametrization = Parametrization.of(NANO.diffusion)
    nothing, noise, t = torch.zeros(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([99, 899])
    x_t = parametrization.add_noise(nothing, noise, t)

    v = unet(x_t, t, torch.randn(2, 32, 384)).sample

    target = parametrization.training_target(nothing, noise, t)
    torch.testing.assert_close(v, target, rtol=0.02, atol=0.02)


def test_one_timestep_for_all_rows_is_as_good_as_one_each() -> None:
    unet = build_unet(NANO).eval()
    torch.nn.init.ones_(unet.conv_out.bias)
    latents, text = torch.randn(2, 4, 8, 8), torch.randn(2, 32, 384)

    one, each = (unet(latents, t, text)[0] for t in (99, torch.tensor([99, 99])))

    assert torch.equal(one, each)
