"""What the U-Net predicts, in one place: training target, loss weight, prediction to x0.

Letters as in the papers: x_t = alpha_t * x0 + sigma_t * noise, with alpha_t^2 + sigma_t^2 = 1.
Knows nothing of networks, samplers or data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from models.config import DiffusionConfig

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


def scheduler_config(config: DiffusionConfig) -> dict:
    """The noise schedule as diffusers writes it; every scheduler is built from this."""
    return {
        "num_train_timesteps": config.num_train_timesteps,
        "beta_schedule": config.beta_schedule,
        "beta_start": config.beta_start,
        "beta_end": config.beta_end,
        "prediction_type": config.prediction_type,
        "rescale_betas_zero_snr": config.rescale_betas_zero_snr,
        "timestep_spacing": config.timestep_spacing,
        "clip_sample": False,
        "set_alpha_to_one": True,
        "steps_offset": 0,
    }


@dataclass(frozen=True)
class Parametrization:
    """The noise levels of a schedule, `[num_train_timesteps]` each, and what they turn into."""

    prediction_type: str
    alphas: Tensor
    sigmas: Tensor
    snr_gamma: float

    @classmethod
    def of(cls, config: DiffusionConfig, device: str | torch.device = "cpu") -> "Parametrization":
        """The noise levels of the very scheduler that will sample, so that they cannot differ.

        Raises:
            ValueError: the prediction type is none of `PREDICTION_TYPES`.
        """
        return cls.of_schedule(scheduler_config(config), config.snr_gamma, device)

    @classmethod
    def of_schedule(
        cls,
        schedule: Mapping[str, Any],
        snr_gamma: float = 5.0,
        device: str | torch.device = "cpu",
    ) -> "Parametrization":
        """The same from a checkpoint's `scheduler_config.json`.

        Raises:
            ValueError: the prediction type is none of `PREDICTION_TYPES`.
        """
        scheduler: Any = DDIMScheduler.from_config(dict(schedule))
        prediction_type = scheduler.config.prediction_type
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"unknown prediction_type {prediction_type!r}")
        squared = scheduler.alphas_cumprod.double().to(device)
        alphas, sigmas = squared.sqrt().float(), (1 - squared).sqrt().float()
        return cls(prediction_type, alphas, sigmas, snr_gamma)

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t of Ho et al. (2020), equation 4."""
        alpha_t, sigma_t = self._levels(t, x0)
        return alpha_t * x0 + sigma_t * noise

    def training_target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should say; v = alpha_t * noise - sigma_t * x0 (Salimans & Ho 2022)."""
        if self.prediction_type == "epsilon":
            return noise
        if self.prediction_type == "sample":
            return x0
        alpha_t, sigma_t = self._levels(t, x0)
        return alpha_t * noise - sigma_t * x0

    def to_x0(self, prediction: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The clean latents that a prediction implies.

        An epsilon prediction says nothing about x0 where alpha_t is zero: the result there is
        not finite.
        """
        alpha_t, sigma_t = self._levels(t, x_t)
        if self.prediction_type == "epsilon":
            return (x_t - sigma_t * prediction) / alpha_t
        if self.prediction_type == "sample":
            return prediction
        return alpha_t * x_t - sigma_t * prediction

    def loss_weight(self, t: Tensor) -> Tensor:
        """Weight of the squared error at t: `[n]`.

        Min-SNR of Hang et al. (2023), on the SNR + 1 weighting of Salimans & Ho (2022): an error
        in x0 counts min(SNR + 1, gamma). With SNR alone the last timestep of a schedule with zero
        terminal SNR, where sampling begins, would count nothing.
        """
        alpha_t, sigma_t = self.alphas[t], self.sigmas[t]
        # 1 / (SNR + 1) is alpha^2 + sigma^2 = 1 over itself: sigma_t^2.
        x0_weight = (1 / sigma_t.square()).clamp(max=self.snr_gamma)
        if self.prediction_type == "epsilon":
            return x0_weight * sigma_t.square() / alpha_t.square().clamp_min(1e-4)
        if self.prediction_type == "sample":
            return x0_weight
        return x0_weight * sigma_t.square()

    def _levels(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (like.ndim - 1))
        return self.alphas[t].view(shape), self.sigmas[t].view(shape)
