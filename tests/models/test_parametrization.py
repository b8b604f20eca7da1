from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from models.config import DiffusionConfig
from models.parametrization import PREDICTION_TYPES, Parametrization, scheduler_config

CONFIG = DiffusionConfig()
T = torch.tensor([0, 250, 700, 998])


def noisy_sample(parametrization: Parametrization) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 4, 3, 8, 8, generator=generator)
    return x0, noise, parametrization.add_noise(x0, noise, T)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_a_perfect_prediction_gives_back_x0(prediction_type: str) -> None:
    parametrization = Parametrization.of(replace(CONFIG, prediction_type=prediction_type))
    x0, noise, x_t = noisy_sample(parametrization)

    target = parametrization.training_target(x0, noise, T)

    torch.testing.assert_close(parametrization.to_x0(target, x_t, T), x0, atol=2e-2, rtol=0)


def test_noise_and_velocity_are_those_of_the_scheduler_that_samples() -> None:
    parametrization = Parametrization.of(CONFIG)
    scheduler = DDIMScheduler.from_config(scheduler_config(CONFIG))
    x0, noise, x_t = noisy_sample(parametrization)

    torch.testing.assert_close(x_t, scheduler.add_noise(x0, noise, T))
    torch.testing.assert_close(
        parametrization.training_target(x0, noise, T), scheduler.get_velocity(x0, noise, T)
    )


def test_the_last_timestep_is_pure_noise() -> None:
    parametrization = Parametrization.of(CONFIG)

    assert parametrization.alphas[-1].item() == 0
    assert parametrization.sigmas[-1].item() == 1


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_an_error_in_x0_counts_the_same_whatever_is_predicted(prediction_type: str) -> None:
    parametrization = Parametrization.of(replace(CONFIG, prediction_type=prediction_type))
    x0, noise, x_t = noisy_sample(parametrization)
    target = parametrization.training_target(x0, noise, T)
    t = T[1:2]

    wrong = target[1:2] + 0.1
    x0_error = (parametrization.to_x0(wrong, x_t[1:2], t) - x0[1:2]).square().mean()
    loss = parametrization.loss_weight(t) * (wrong - target[1:2]).square().mean()

    snr = (parametrization.alphas[t] / parametrization.sigmas[t]).square()
    expected = (snr + 1).clamp(max=CONFIG.snr_gamma) * x0_error
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)


def test_pure_noise_counts_fully_and_almost_clean_latents_hardly() -> None:
    parametrization = Parametrization.of(CONFIG)

    weights = parametrization.loss_weight(torch.tensor([999, 10]))

    assert weights[0] == 1
    assert weights[1] < 0.01


def test_unknown_prediction_type_is_refused() -> None:
    with pytest.raises(ValueError, match="velocity"):
        Parametrization.of(replace(CONFIG, prediction_type="velocity"))
