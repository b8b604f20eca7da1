"""A preview is what the decoder would draw, as far as a linear map can know it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models import previews
from models.parametrization import Parametrization
from models.pipeline import LatentDiffusionPipeline
from models.source import BUILT_IN
from tests.tiny_checkpoint import EPSILON, ZERO_SNR

CHANNELS = 4
COLOURS = torch.tensor([[0.3, -0.1, 0.2, 0.1], [0.1, 0.3, -0.2, 0.0], [-0.2, 0.2, 0.1, 0.3]])
FLOAT = torch.empty(0)


def flat_decoder(latents: Tensor) -> Tensor:
    """Every latent is one flat square of 8 pixels."""
    picture = torch.einsum("pc,nchw->nphw", COLOURS, latents) + 0.1
    return F.interpolate(picture, scale_factor=8)


def test_a_decoder_that_is_linear_is_found_out() -> None:
    draw = previews.fit(flat_decoder, FLOAT, CHANNELS)
    latents = torch.randn(1, CHANNELS, 6, 5, generator=torch.Generator().manual_seed(3)) / 2

    seen = torch.from_numpy(draw(latents)).float()

    assert seen.shape == (24, 20, 3)
    exact = F.interpolate(flat_decoder(latents), scale_factor=0.5, mode="area")[0]
    levels = (exact / 2 + 0.5).clamp(0, 1) * 255
    assert (seen - levels.permute(1, 2, 0)).abs().max() <= 2


def test_the_fit_is_the_same_on_every_run() -> None:
    one, other = (previews.fit(flat_decoder, FLOAT, CHANNELS) for _ in range(2))

    assert torch.equal(one.weight, other.weight)
    assert torch.equal(one.bias, other.bias)


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_any_autoencoder_will_do(factor: int) -> None:
    draw = previews.fit(lambda z: F.interpolate(z[:, :3], scale_factor=factor), FLOAT, channels=16)

    patch = min(previews.PATCH, factor)
    assert draw(torch.zeros(1, 16, 3, 7)).shape == (3 * patch, 7 * patch, 3)


@pytest.mark.timeout(120)
def test_the_built_in_model_is_recognized_in_its_previews() -> None:
    pipeline = LatentDiffusionPipeline.from_checkpoint(BUILT_IN)
    latents = pipeline.denoise("a red apple on a blue plate", num_inference_steps=8, seed=3)

    seen = pipeline._preview_map(latents)

    picture = torch.from_numpy(pipeline.decode_latents(latents)).permute(2, 0, 1)[None].float()
    small = F.interpolate(picture, size=seen.shape[:2], mode="area")[0].permute(1, 2, 0)
    unexplained = (torch.from_numpy(seen).float() - small).var() / small.var()
    assert unexplained < 0.25


def test_what_a_prediction_implies_is_the_clean_latents_whatever_the_parametrization() -> None:
    generator = torch.Generator().manual_seed(1)
    x0, noise = (torch.randn(1, CHANNELS, 4, 4, generator=generator) for _ in range(2))
    for schedule in (ZERO_SNR, EPSILON):
        levels = Parametrization.of_schedule(schedule)
        t = torch.tensor(400)
        x_t = levels.add_noise(x0, noise, t)
        implied = previews.ImpliedX0.of(schedule, "cpu")

        found = implied(levels.training_target(x0, noise, t), x_t, torch.tensor(400.2))

        torch.testing.assert_close(found, x0, atol=1e-4, rtol=1e-4)


def test_flow_matching_has_its_own_levels() -> None:
    x0, noise = torch.full((1, 4, 2, 2), 0.5), torch.full((1, 4, 2, 2), -2.0)
    implied = previews.ImpliedX0.of({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "cpu")

    found = implied(noise - x0, 0.75 * x0 + 0.25 * noise, torch.tensor(250.0))

    torch.testing.assert_close(found, x0)
