"""`python -m tests.bench.lora`: what adapters cost in a shared forward pass.

Eight rows through U-Nets of random weights in Stable Diffusion's shape, without adapters and with
three of them and none mixed, in turns; medians of the processor time of this process.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from models.lora.rows import RowLoras
from tests.tiny_loras import is_usual, random_pairs_of, write_peft

ROWS, RANK, ROUNDS = 8, 16, 7
SHAPES = {  # channels, width of the text
    "small": ((64, 128, 256), 256),
    "large": ((128, 256, 384), 384),
}


def a_unet(channels: tuple[int, ...], width: int) -> UNet2DConditionModel:
    torch.manual_seed(0)
    levels = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=32,
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",) * levels + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * levels,
    ).eval()


@torch.inference_mode()
def cost(channels: tuple[int, ...], width: int) -> tuple[float, float, float]:
    """Millions of parameters, then seconds without adapters and with them."""
    unet = a_unet(channels, width)
    loras = RowLoras({"unet": dict(unet.named_modules())}, unet.device, unet.dtype)
    latents, text = torch.randn(ROWS, 4, 32, 32), torch.randn(ROWS, 77, width)
    timesteps = torch.linspace(900, 100, ROWS)
    with tempfile.TemporaryDirectory() as folder:
        loras.files = {
            name: write_peft(
                random_pairs_of(loras.modules, seed, is_usual, RANK),
                Path(folder) / f"{name}.safetensors",
            )
            for seed, name in enumerate("abc")
        }
        mixes = [loras.mix(((name, 0.8),) if name else ()) for name in ("", "a", "b", "c")]

    def run(with_adapters: bool) -> float:
        each = ROWS // len(mixes)
        rows = [mix for mix in mixes for _ in range(each)] if with_adapters else [mixes[0]] * ROWS
        start = time.process_time()
        with loras.applied(rows):
            unet(latents, timesteps, text)
        return time.process_time() - start

    return _millions(unet), *_in_turns(lambda: run(False), lambda: run(True))


def _in_turns(*ways: Callable[[], float]) -> tuple[float, ...]:
    found = [[way() for way in ways] for _ in range(ROUNDS + 1)][1:]  # the first warms up
    return tuple(statistics.median(one) for one in zip(*found, strict=True))


def _millions(network: torch.nn.Module) -> float:
    return sum(one.numel() for one in network.parameters()) / 1e6


def main() -> None:
    """Print one line a network."""
    torch.set_num_threads(1)
    for name, shape in SHAPES.items():
        millions, plain, mixed = cost(*shape)
        print(
            f"{name}: {millions:.1f} M parameters, {ROWS} rows, rank {RANK}: "
            f"{plain * 1e3:.0f} ms, with three adapters and none {mixed * 1e3:.0f} ms "
            f"({mixed / plain - 1:+.1%})"
        )


if __name__ == "__main__":
    main()
