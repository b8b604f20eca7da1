"""What stepping itself costs, over a U-Net that costs nothing."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from models.pipeline import LatentDiffusionPipeline
from worker.bench.traffic import a_job
from worker.engine import Engine

FEW, MANY = 10, 40  # steps: what both runs share, such as admission and decoding, cancels out
GUIDANCE = 2.0


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
    def stock(steps: int) -> None:
        pipeline.denoise(
            "", num_inference_steps=steps, scheduler=scheduler, guidance_scale=GUIDANCE
        )

    def ours(jobs: int) -> Callable[[int], None]:
        def run(steps: int) -> None:
            engine = Engine(pipeline, num_jobs)
            spec = a_job(
                pipeline.card,
                num_inference_steps=steps,
                scheduler=scheduler,
                guidance_scale=GUIDANCE,
            )
            for i in range(jobs):
                engine.admit(str(i), spec)
            while len(engine):
                engine.step()

        return run

    size = (pipeline.card.native_size,) * 2
    few, many = (len(pipeline.make_scheduler(scheduler, n, *size).timesteps) for n in (FEW, MANY))

    def per_evaluation(run: Callable[[int], None], jobs: int) -> float:
        run(FEW)  # tables are read off once
        run(MANY)
        gained = [_cpu_s(run, MANY) - _cpu_s(run, FEW) for _ in range(repeats)]
        return statistics.median(gained) / (many - few) / jobs * 1e6

    return {
        "stock": per_evaluation(stock, 1),
        "engine, 1 job": per_evaluation(ours(1), 1),
        f"engine, {num_jobs} jobs": per_evaluation(ours(num_jobs), num_jobs),
    }


def _cpu_s(run: Callable[[int], None], steps: int) -> float:
    began = time.process_time()
    run(steps)
    return time.process_time() - began
