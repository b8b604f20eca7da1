"""What stepping itself costs, over a U-Net that costs nothing."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from models.pipeline import LatentDiffusionPipeline
from worker.bench.traffic import a_job
from worker.engine import Engine

STEPS, MIDDLE = 40, 30


class FreeUNet:
    """Says that the latents are the prediction."""

    def __call__(self, sample: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
        return (sample,)


def overhead_us(
    pipeline: LatentDiffusionPipeline, num_jobs: int, repeats: int
) -> dict[str, dict[str, float]]:
    """Microseconds of CPU for each job and evaluation, by scheduler: stock's loop, the engine's.

    The pipeline's denoiser is replaced for good.
    """
    pipeline.family.denoiser = FreeUNet()
    return {name: _of(pipeline, name, num_jobs, repeats) for name in pipeline.card.schedulers}


def _of(
    pipeline: LatentDiffusionPipeline, scheduler: str, num_jobs: int, repeats: int
) -> dict[str, float]:
    wish: dict[str, Any] = {"scheduler": scheduler, "guidance_scale": 2.0}
    wish["num_inference_steps"] = STEPS
    brief: dict[str, Any] = {**wish, "num_inference_steps": 1}
    size = (pipeline.card.native_size,) * 2
    evaluations = len(pipeline.make_scheduler(scheduler, STEPS, *size).timesteps)

    def stock() -> float:
        """The loop, less what a run of a single step costs before and after."""
        whole_s = _cpu_s(lambda: pipeline.denoise("", **wish))
        least_s = _cpu_s(lambda: pipeline.denoise("", **brief))
        return (whole_s - least_s) / (evaluations - 1)

    def ours(jobs: int) -> float:
        """Steps in the middle of a run, where nobody comes and nobody is decoded."""
        engine = Engine(pipeline, jobs)
        for i in range(jobs):
            engine.admit(str(i), a_job(pipeline.card, **wish))
        engine.step()
        return _cpu_s(lambda: [engine.step() for _ in range(MIDDLE)]) / MIDDLE / jobs

    ours(num_jobs)  # tables are read off once
    ways = {
        "stock": stock,
        "engine, 1 job": lambda: ours(1),
        f"engine, {num_jobs} jobs": lambda: ours(num_jobs),
    }
    return {
        name: statistics.median(way() for _ in range(repeats)) * 1e6 for name, way in ways.items()
    }


def _cpu_s(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began
