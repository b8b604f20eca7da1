from typing import Any

import pytest
import torch

from models import schedulers
from tests.tiny_checkpoint import EPSILON, ZERO_SNR

pytestmark = pytest.mark.timeout(60)  # to sample with every scheduler takes a while

RESCALED = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


def test_every_scheduler_samples_an_epsilon_model() -> None:
    assert schedulers.supported(EPSILON) == list(schedulers.SCHEDULERS)


def test_heun_and_beta_sigmas_miss_from_a_zero_terminal_snr() -> None:
    left_out = set(schedulers.SCHEDULERS) - set(schedulers.supported(ZERO_SNR))

    assert left_out == {"heun", "euler_beta", "dpmpp_2m_beta"}


def test_schedulers_that_cannot_read_the_prediction_are_left_out() -> None:
    left_out = set(schedulers.SCHEDULERS) - set(
        schedulers.supported({**EPSILON, "prediction_type": "sample"})
    )

    assert left_out == {"euler_ancestral", "pndm"}


def test_epsilon_says_nothing_at_zero_terminal_snr_to_schedulers_that_divide_by_it() -> None:
    remaining = schedulers.supported({**ZERO_SNR, "prediction_type": "epsilon"})

    assert not {"ddim", "ddpm", "lcm", "pndm", "heun"} & set(remaining)


@pytest.mark.parametrize(
    "config",
    [ZERO_SNR, EPSILON, {**EPSILON, "prediction_type": "v_prediction", **RESCALED}],
    ids=["zero_snr", "epsilon", "rescaled"],
)
@pytest.mark.parametrize("num_inference_steps", [1, 2, 7, 50, 150])
def test_supported_schedulers_stay_finite_at_any_number_of_steps(
    config: dict[str, Any], num_inference_steps: int
) -> None:
    for name in schedulers.supported(config):
        if name == "lcm" and num_inference_steps > 50:
            continue

        scheduler = schedulers.make(name, config)
        schedulers.set_timesteps(scheduler, num_inference_steps)
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            prediction = scheduler.scale_model_input(latents, t)
            latents = schedulers.step(scheduler, prediction, t, latents, generator)

        assert torch.isfinite(latents).all(), name


def test_every_scheduler_is_a_fresh_one() -> None:
    first, second = (schedulers.make("euler", ZERO_SNR) for _ in range(2))

    schedulers.set_timesteps(first, 5)

    assert first is not second
    assert len(second.timesteps) == 1000


@pytest.mark.parametrize("name", schedulers.SCHEDULERS)
def test_the_checkpoints_config_is_respected(name: str) -> None:
    config = schedulers.make(name, ZERO_SNR).config

    assert config["prediction_type"] == "v_prediction"
    assert config["timestep_spacing"] == "trailing"


@pytest.mark.parametrize("name", ["ddim", "ddpm", "heun", "lcm"])
def test_latents_are_never_clipped(name: str) -> None:
    assert not schedulers.make(name, {**EPSILON, "clip_sample": True}).config["clip_sample"]


@pytest.mark.parametrize("name", schedulers.UNNORMALIZED)
def test_a_terminal_snr_of_zero_stays_finite_where_sigma_would_not(name: str) -> None:
    rescaled = schedulers.make("ddim", ZERO_SNR).alphas_cumprod

    ours = schedulers.make(name, ZERO_SNR).alphas_cumprod

    assert rescaled[-1] == 0
    floor = schedulers.SMALLEST_ALPHA_BAR
    torch.testing.assert_close(ours, floor + (1 - floor) * rescaled, rtol=1e-3, atol=0.0)
    assert (ours.diff() < 0).all()  # Euler divides by the distance of neighbouring sigmas


def test_heun_evaluates_twice_a_step_but_the_last() -> None:
    scheduler = schedulers.make("heun", EPSILON)

    schedulers.set_timesteps(scheduler, 6)

    assert len(scheduler.timesteps) == 11


def test_lcm_refuses_more_steps_than_it_was_made_for() -> None:
    scheduler = schedulers.make("lcm", ZERO_SNR)

    with pytest.raises(ValueError, match="51"):
        schedulers.set_timesteps(scheduler, 51)


def test_an_unknown_scheduler_is_named_beside_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'dpm_adaptive'.*ddim, ddpm"):
        schedulers.make("dpm_adaptive", ZERO_SNR)
