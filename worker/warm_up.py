"""The first forward passes of all, which are slow: nobody waits for them, and they are timed."""

import time
from collections.abc import Callable

import torch

from app.jobs.spec import GenerationSpec
from models.pipeline import LatentDiffusionPipeline
from worker.claim import Claim
from worker.cost import CostCurve, measure
from worker.formation import Formation
from worker.generation import Generation


@torch.inference_mode()
def warm_up(
    pipeline: LatentDiffusionPipeline,
    max_rows: int,
    clock: Callable[[], float] = time.perf_counter,
) -> CostCurve:
    """Draw a picture and time passes of up to `max_rows` rows, all of the model's native size."""
    pipeline("", num_inference_steps=1)
    card = pipeline.card
    spec = GenerationSpec(
        prompt="-",
        model="warm-up",
        width=card.native_size,
        height=card.native_size,
        num_inference_steps=1,
        guidance_scale=1.0,
        scheduler=card.default_scheduler,
        seed=0,
    )
    conditions = pipeline.conditions(spec.prompt, "", spec.guidance_scale, spec.height, spec.width)
    one = Generation(pipeline, "", 0, spec, conditions, Claim(0.0))

    def run(rows: int) -> None:
        Formation(pipeline, [one] * rows).predict()
        if pipeline.family.device.type == "cuda":
            torch.cuda.synchronize()

    return measure(run, max_rows, clock)
