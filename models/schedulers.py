"""Scheduler names to fresh diffusers schedulers, all from the checkpoint's one DDIM config.

diffusers keeps the position and the multistep history on the scheduler object, so each
generation owns one. Knows nothing of pipelines, specs or batches.
"""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor

Scheduler = Any  # diffusers has no common type: each class spells step() differently

SCHEDULERS: Mapping[str, tuple[type, Mapping[str, Any]]] = {
    "ddim": (diffusers.DDIMScheduler, {}),
    "ddpm": (diffusers.DDPMScheduler, {}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler_karras": (diffusers.EulerDiscreteScheduler, {"use_karras_sigmas": True}),
    "euler_exponential": (diffusers.EulerDiscreteScheduler, {"use_exponential_sigmas": True}),
    "euler_beta": (diffusers.EulerDiscreteScheduler, {"use_beta_sigmas": True}),
    "euler_ancestral": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "dpmpp_2m_exponential": (
        diffusers.DPMSolverMultistepScheduler,
        {"use_exponential_sigmas": True},
    ),
    "dpmpp_2m_beta": (diffusers.DPMSolverMultistepScheduler, {"use_beta_sigmas": True}),
    "dpmpp_2m_sde": (
        diffusers.DPMSolverMultistepScheduler,
        {"algorithm_type": "sde-dpmsolver++"},
    ),
    "dpmpp_2m_sde_karras": (
        diffusers.DPMSolverMultistepScheduler,
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "unipc_karras": (diffusers.UniPCMultistepScheduler, {"use_karras_sigmas": True}),
    "lcm": (diffusers.LCMScheduler, {}),
    "pndm": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
}

FLOW_SCHEDULERS: Mapping[str, tuple[type, Mapping[str, Any]]] = {
    "flow_match_euler": (diffusers.FlowMatchEulerDiscreteScheduler, {}),
    "flow_match_heun": (diffusers.FlowMatchHeunDiscreteScheduler, {}),
    "flow_match_dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {"use_flow_sigmas": True}),
    "flow_match_unipc": (diffusers.UniPCMultistepScheduler, {"use_flow_sigmas": True}),
}

# These carry x0 + sigma * noise in float32, and sigma is infinite at a terminal SNR of 0. diffusers
# makes it 4096, which leaves 1e-3 of rounding in the picture; with 256 it is below 1e-4, and what
# remains of the noise in a one-step picture is 0.4 %. The others carry numbers near 1.
UNNORMALIZED = (
    "euler", "euler_karras", "euler_exponential", "euler_beta", "euler_ancestral", "heun", "pndm",
)  # fmt: skip
SMALLEST_ALPHA_BAR = 2.0**-16

# The data that `supported` samples: x0 ~ N(mean, std^2) in every latent.
GAUSSIAN_MEAN, GAUSSIAN_STD = 1.0, 0.5


def make(name: str, config: Mapping[str, Any]) -> Scheduler:
    """A fresh scheduler; `config` is the checkpoint's DDIM `scheduler_config.json`.

    Raises:
        ValueError: no such scheduler.
    """
    known = {**SCHEDULERS, **FLOW_SCHEDULERS}
    if name not in known:
        raise ValueError(f"unknown scheduler {name!r}; known: {', '.join(known)}")
    scheduler_type, options = known[name]
    overrides = dict(options)
    parameters = inspect.signature(scheduler_type).parameters
    if "use_flow_sigmas" in options:
        overrides |= {"prediction_type": "flow_prediction", "flow_shift": config.get("shift", 1.0)}
    if "clip_sample" in parameters:  # made for pixels; latents are not bound to [-1, 1]
        overrides["clip_sample"] = False
    if config.get("rescale_betas_zero_snr") and name in UNNORMALIZED:
        overrides["trained_betas"] = _nearly_zero_snr_betas(config)
        overrides["rescale_betas_zero_snr"] = False
    return scheduler_type.from_config({**config, **overrides})


def set_timesteps(scheduler: Scheduler, num_inference_steps: int, **options: Any) -> None:
    """Lay out the run. `scheduler.timesteps` may be longer than the steps (Heun: 2 n - 1).

    The options are the family's, such as flow matching's `mu` and `sigmas`. The tables stay on the
    CPU: reading an entry there never waits for the device.

    Raises:
        ValueError: this scheduler cannot do that many steps.
    """
    scheduler.set_timesteps(num_inference_steps, **options)
    if hasattr(scheduler, "set_begin_index"):
        # Karras sigmas may round to the same timestep twice; a search would start at the second.
        scheduler.set_begin_index(0)


def init_noise_sigma(scheduler: Scheduler) -> Any:
    """What unit noise is multiplied with at the start; flow matching begins with the noise."""
    return getattr(scheduler, "init_noise_sigma", 1.0)


def scale_model_input(scheduler: Scheduler, latents: Tensor, timestep: Tensor) -> Tensor:
    """The latents as the network was trained to see them; flow matching changes nothing."""
    scale = getattr(scheduler, "scale_model_input", None)
    return latents if scale is None else scale(latents, timestep)


def step(
    scheduler: Scheduler,
    noise_pred: Tensor,
    timestep: Tensor,
    latents: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """One evaluation further: latents `[1, C, h, w]` to latents of the same shape."""
    noise = {"generator": generator} if _draws_noise(type(scheduler)) else {}
    return scheduler.step(noise_pred, timestep, latents, return_dict=False, **noise)[0]


def supported(config: Mapping[str, Any]) -> list[str]:
    """The schedulers that sample rightly under this config, found by sampling.

    Flow matching has its own, of which Heun knows no schedule that is shifted by the size.

    Each denoises a Gaussian whose exact denoiser is known; those that fail, overflow or land
    elsewhere are left out. Few steps may blur (a narrow spread) but must not overshoot, as Heun
    does from the infinite first sigma of a zero terminal SNR.
    """
    if is_flow(config):
        by_size = config.get("use_dynamic_shifting")
        return [name for name in FLOW_SCHEDULERS if not (by_size and name == "flow_match_heun")]
    return [name for name in SCHEDULERS if _samples_a_gaussian(name, config)]


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether the model predicts a flow (Lipman et al. 2023) rather than noise."""
    return str(config.get("_class_name")).startswith("FlowMatch")


def name_of(config: Mapping[str, Any], names: Sequence[str]) -> str:
    """Which of these schedulers a checkpoint's own config means; the first if none."""
    known = {**SCHEDULERS, **FLOW_SCHEDULERS}
    fitting = [
        name
        for name in names
        if known[name][0].__name__ == config.get("_class_name")
        and all(config.get(key) == value for key, value in known[name][1].items())
    ]
    return max(fitting, key=lambda name: len(known[name][1]), default=names[0])


def _nearly_zero_snr_betas(config: Mapping[str, Any]) -> list[float]:
    """The rescaled betas of Lin et al. (2023), lifted a little, so that the last sigma is finite.

    Lifted, not clamped: Euler divides by the distance of neighbouring sigmas.
    """
    alpha_bar = SMALLEST_ALPHA_BAR + (1 - SMALLEST_ALPHA_BAR) * _alpha_bar(config)
    ones = torch.ones(1, dtype=torch.float64)
    return (1 - alpha_bar / torch.cat([ones, alpha_bar[:-1]])).tolist()


def _alpha_bar(config: Mapping[str, Any]) -> Tensor:
    scheduler: Scheduler = diffusers.DDIMScheduler.from_config(dict(config))
    return scheduler.alphas_cumprod.double()


@cache
def _draws_noise(scheduler_type: type) -> bool:
    return "generator" in inspect.signature(scheduler_type.step).parameters


def _samples_a_gaussian(name: str, config: Mapping[str, Any]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # Euler divides by equal sigmas
            few, some, many = (_sample_gaussian(name, config, steps) for steps in (4, 20, 50))
    except (ValueError, IndexError, RuntimeError, RuntimeWarning):
        return False
    # Wide enough for LCM, which narrows the spread; a wrong noise schedule lands far outside.
    near = all(abs(float(x.mean()) - GAUSSIAN_MEAN) < 0.2 for x in (few, some, many))
    narrow = any(float(x.std()) < 0.4 * GAUSSIAN_STD for x in (some, many))
    wide = any(float(x.std()) > 1.6 * GAUSSIAN_STD for x in (few, some, many))
    return near and not narrow and not wide


def _sample_gaussian(name: str, config: Mapping[str, Any], num_inference_steps: int) -> Tensor:
    alpha_bar = _alpha_bar(config).numpy()
    scheduler = make(name, config)
    set_timesteps(scheduler, num_inference_steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 32, 32, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x_t = scheduler.scale_model_input(x, t).double()
        at_t = float(np.interp(float(t), np.arange(len(alpha_bar)), alpha_bar))
        prediction = _exact_prediction(x_t, at_t, config.get("prediction_type", "epsilon"))
        x = step(scheduler, prediction.float(), t, x, generator)
    return x


def _exact_prediction(x_t: Tensor, alpha_bar: float, prediction_type: str) -> Tensor:
    """E[x0 | x_t] of x0 ~ N(mean, std^2), as the model of this prediction type would say it."""
    alpha, sigma = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    gain = GAUSSIAN_STD**2 * alpha / (alpha**2 * GAUSSIAN_STD**2 + sigma**2)
    x0 = GAUSSIAN_MEAN + gain * (x_t - alpha * GAUSSIAN_MEAN)
    if prediction_type == "sample":
        return x0
    noise = (x_t - alpha * x0) / max(sigma, 1e-6)
    return alpha * noise - sigma * x0 if prediction_type == "v_prediction" else noise
