"""Our scorer: a small network that sees pictures in the space of the frozen text encoder.

Trained by `models.training.tower` against pooled MiniLM states with the contrastive loss of
Radford et al. (2021). It is young, sees emoji alone and is neither CLIP nor Inception; what it
says is comparable only with itself.
"""

from pathlib import Path
from typing import Self

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from models.text_encoder import TextEncoder

WEIGHTS = Path(__file__).with_name("tower")
SIDE_PX = 64  # pictures are reduced to this before they are looked at


class ImageTower(ModelMixin, ConfigMixin):
    """Pixels `[n, 3, h, w]` in [-1, 1] to unit vectors `[n, width]`."""

    @register_to_config
    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 256), width: int = 384) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = 3
        for after in channels:
            stages += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
                nn.Conv2d(after, after, 3, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
            ]
            before = after
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels[-1] * 2, width)
        self.temperature = nn.Parameter(torch.tensor(2.7))  # log of 1 / 0.07, as CLIP begins

    @classmethod
    def trained(cls, folder: Path = WEIGHTS) -> Self:
        """The scorer, ready for use.

        Raises:
            FileNotFoundError: none has been trained yet; says how.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"no scorer at {folder}: run `python -m models.training tower`")
        return cls.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        ).eval()

    def features(self, pixels: Tensor) -> Tensor:
        """What the distances are measured on, `[n, 2 * channels[-1]]`: mean and maximum."""
        maps = self.stages(F.interpolate(pixels, (SIDE_PX, SIDE_PX), mode="area"))
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self.head(self.features(pixels)), dim=1)


@torch.no_grad()
def text_vectors(text_encoder: TextEncoder, captions: list[str], batch_size: int = 256) -> Tensor:
    """Unit vectors `[n, 384]`: means over the tokens of each caption."""
    vectors = []
    for start in range(0, len(captions), batch_size):
        states = text_encoder.encode_batch(captions[start : start + batch_size])
        said = states.abs().sum(dim=2, keepdim=True) > 0  # padding is zero
        vectors.append(F.normalize((states * said).sum(dim=1) / said.sum(dim=1), dim=1))
    return torch.cat(vectors)
