"""What unfinished latents will look like, by one linear map: small, and a thousandth of a decode.

The map is fitted to the autoencoder at hand by least squares, so it needs nothing of a family.
Knows latents and a decoder. Knows nothing of jobs or of who looks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.parametrization import Parametrization

PATCH = 4  # pixels along one side of what a latent is drawn as; finer says no more
AROUND = 3  # a latent and its neighbours
SAMPLES, SIDE = 24, 8  # enough for 16 channels; 1,536 latents in all
SCALES = (1, 2, 4, 8)  # real latents are smooth in places: white noise alone fits them badly
RIDGE = 1e-3


@dataclass(frozen=True)
class ImpliedX0:
    """The clean latents that a prediction implies, whatever the scheduler of the run.

    All of them show the network x_t = alpha_t * x0 + sigma_t * noise; flow matching has no levels
    by timestep, there t itself is sigma_t, in thousandths (Lipman et al. 2022, equation 22).
    """

    levels: Parametrization | None
    num_train_timesteps: int

    @classmethod
    def of(cls, schedule: Mapping[str, Any], device: str | torch.device) -> Self:
        """From a checkpoint's `scheduler_config.json`."""
        is_flow = "Flow" in schedule.get("_class_name", "")
        levels = None if is_flow else Parametrization.of_schedule(schedule, device=device)
        return cls(levels, schedule.get("num_train_timesteps", 1_000))

    def __call__(self, prediction: Tensor, x_t: Tensor, timestep: Tensor) -> Tensor:
        if self.levels is None:
            return x_t - float(timestep) / self.num_train_timesteps * prediction
        return self.levels.to_x0(prediction, x_t, timestep.round().long().cpu())


@dataclass(frozen=True, eq=False)
class PreviewMap:
    """A convolution: weight `[3 * patch^2, C, 3, 3]`, bias `[3 * patch^2]`, pixels in [-1, 1]."""

    weight: Tensor
    bias: Tensor
    patch: int

    def __call__(self, latents: Tensor) -> NDArray[np.uint8]:
        """Latents `[1, C, h, w]` to pixels `[h * patch, w * patch, 3]`."""
        padded = F.pad(latents.to(self.weight), [AROUND // 2] * 4, mode="replicate")
        picture = F.pixel_shuffle(F.conv2d(padded, self.weight, self.bias), self.patch)[0]
        levels = (picture / 2 + 0.5).clamp(0, 1).mul(255).round()
        return levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


@torch.no_grad()
def fit(decode: Callable[[Tensor], Tensor], like: Tensor, channels: int) -> PreviewMap:
    """The map nearest to `decode` (scaled latents to pixels in [-1, 1]) on made-up latents.

    `like` gives the device and dtype that `decode` takes. The fit is the same on every run.
    """
    latents = _fields(channels)
    pixels = decode(latents.to(like)).to("cpu", torch.float32)
    factor = pixels.shape[-1] // SIDE
    patch = min(PATCH, factor)
    small = F.interpolate(pixels, size=SIDE * patch, mode="area")
    targets = F.pixel_unshuffle(small, patch).permute(0, 2, 3, 1).flatten(0, 2).double()
    padded = F.pad(latents, [AROUND // 2] * 4, mode="replicate")
    seen = F.unfold(padded, AROUND).transpose(1, 2).flatten(0, 1).double()
    seen = torch.cat([seen, torch.ones(len(seen), 1, dtype=seen.dtype)], dim=1)
    normal = seen.T @ seen + RIDGE * len(seen) * torch.eye(seen.shape[1], dtype=seen.dtype)
    solution = torch.linalg.solve(normal, seen.T @ targets).float().to(like.device)
    weight = solution[:-1].T.reshape(-1, channels, AROUND, AROUND).contiguous()
    return PreviewMap(weight, solution[-1].contiguous(), patch)


def _fields(channels: int) -> Tensor:
    """Random latents `[SAMPLES, channels, SIDE, SIDE]` of unit variance, smooth at all scales."""
    generator = torch.Generator().manual_seed(0)
    fields = torch.zeros(SAMPLES, channels, SIDE, SIDE)
    for scale in SCALES:
        noise = torch.randn(SAMPLES, channels, scale, scale, generator=generator)
        fields += F.interpolate(noise, size=(SIDE, SIDE), mode="bicubic")
    return fields / fields.std()
