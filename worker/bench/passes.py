"""Single forward passes of a model: how long they take, how far from the peak, and over what."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.pipeline import LatentDiffusionPipeline
from worker.bench.comparison import Measured
from worker.cost import CostCurve

ROWS = (1, 2, 4, 8, 16)
GEMM, TOY_GEMM = 8192, 512


@dataclass(frozen=True)
class Machine:
    """Where it runs; a toy is of 64 pixels."""

    device: str
    dtype: torch.dtype
    is_toy: bool

    @classmethod
    def here(cls) -> "Machine":
        if torch.cuda.is_available():
            return cls("cuda", torch.bfloat16, is_toy=False)
        return cls("cpu", torch.float32, is_toy=True)

    @property
    def said(self) -> str:
        if self.is_toy:
            return "NO GPU HERE: toys of 64 pixels on the CPU; that it runs is all that this shows"
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {self.dtype}"

    def peak_flops(self) -> float:
        """What a large product of matrices reaches: the share of peak is of this."""
        edge = TOY_GEMM if self.is_toy else GEMM
        a, b = (torch.randn(edge, edge, device=self.device, dtype=self.dtype) for _ in range(2))
        return 2 * edge**3 / self.seconds(lambda: a @ b)

    def seconds(self, run: Callable[[], object], times: int = 10) -> float:
        """The least of some, after two that warm up."""
        took: list[float] = []
        for _ in range(times + 2):
            self.wait()
            began = time.perf_counter()
            run()
            self.wait()
            took.append(time.perf_counter() - began)
        return min(took[2:])

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def passes(
    stock: LatentDiffusionPipeline,
    ours: LatentDiffusionPipeline,
    costs: CostCurve,
    machine: Machine,
    peak_tflops: float,
) -> Measured:
    """Milliseconds by the number of rows, and how much of the peak is used."""
    with FlopCounterMode(display=False) as counter:
        forward(stock, 1)()
    tflop = counter.get_total_flops() / 1e12
    found: Measured = {"tflop_a_row": tflop}
    for rows in ROWS:
        eager_s = machine.seconds(forward(stock, rows))
        ours_s = machine.seconds(forward(ours, rows))
        found[f"{rows} rows"] = (
            f"eager {eager_s * 1e3:.2f} ms, ours {ours_s * 1e3:.2f} ms, "
            f"{rows * tflop / ours_s / peak_tflops:.0%} of peak"
        )
    return found | {"rows_that_pay": costs.knee(max(ROWS))}


def forward(pipeline: LatentDiffusionPipeline, rows: int) -> Callable[[], object]:
    """A pass of so many rows of the native size."""
    family, card = pipeline.family, pipeline.card
    edge = card.native_size // family.vae_scale_factor
    latents = torch.randn(rows, family.latent_channels, edge, edge).to(family.device, family.dtype)
    size = (card.native_size, card.native_size)
    (conditions, *_) = pipeline.conditions("", "", card.default_guidance_scale, *size)
    joined = pipeline.join([conditions] * rows)
    return lambda: pipeline.forward(latents, [500.0] * rows, joined)


def profile(pipeline: LatentDiffusionPipeline, rows: int, most: int = 12) -> Measured:
    """Where a pass spends its time: the kernels that take most, in milliseconds and calls."""
    is_cuda = pipeline.family.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    run = forward(pipeline, rows)
    run()
    run()  # recorded by now
    with torch.profiler.profile(activities=[activity.CUDA if is_cuda else activity.CPU]) as seen:
        run()
        if is_cuda:
            torch.cuda.synchronize()

    def key(one: Any) -> float:
        return float(one.self_device_time_total if is_cuda else one.self_cpu_time_total)

    events = sorted(seen.key_averages(), key=key, reverse=True)
    whole = sum(key(one) for one in events) or 1.0
    return {
        one.key[:60]: f"{key(one) / 1e3:.3f} ms, {key(one) / whole:.0%}, {one.count} calls"
        for one in events[:most]
    }
