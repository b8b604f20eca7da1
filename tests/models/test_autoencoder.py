import pytest
import torch
from diffusers import AutoencoderKL

from models.autoencoder import build_autoencoder, decode, encode, set_scaling, shift_factor
from models.config import ModelConfig

NANO = ModelConfig.of_size("nano")


@pytest.fixture
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_autoencoder(NANO.autoencoder, NANO.native_size).eval()


def test_a_latent_covers_factor_by_factor_pixels(vae: AutoencoderKL) -> None:
    latents = encode(vae, torch.zeros(2, 3, 64, 96))

    assert latents.shape == (2, NANO.autoencoder.latent_channels, 8, 12)
    assert decode(vae, latents).shape == (2, 3, 64, 96)


def test_scaled_latents_have_zero_mean_and_unit_variance(vae: AutoencoderKL) -> None:
    pixels = torch.rand(8, 3, 64, 64) * 2 - 1

    set_scaling(vae, encode(vae, pixels))
    latents = encode(vae, pixels)

    assert latents.mean().item() == pytest.approx(0, abs=1e-4)
    assert latents.std().item() == pytest.approx(1, abs=1e-4)


def test_scaling_does_not_change_what_is_decoded(vae: AutoencoderKL) -> None:
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    before = decode(vae, encode(vae, pixels))

    vae.register_to_config(shift_factor=0.7, scaling_factor=1.9)

    torch.testing.assert_close(decode(vae, encode(vae, pixels)), before, atol=1e-4, rtol=0)


def test_decoded_pixels_stay_in_range(vae: AutoencoderKL) -> None:
    pixels = decode(vae, 100 * torch.randn(1, NANO.autoencoder.latent_channels, 8, 8))

    assert pixels.abs().max() <= 1


def test_a_missing_shift_factor_counts_as_zero(vae: AutoencoderKL) -> None:
    vae.register_to_config(shift_factor=None)

    assert shift_factor(vae) == 0.0
