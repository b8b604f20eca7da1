"""Drives an engine in tests: specs, a clock of steps, and what came out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from app.jobs.spec import GenerationSpec
from models.pipeline import Pixels
from tests.tiny_checkpoint import TinyPipeline
from worker.engine import Engine, FinishedImage, Progress


def a_spec(**changes: Any) -> GenerationSpec:
    wish: dict[str, Any] = {
        "prompt": "a red fox",
        "model": "tiny",
        "width": 64,
        "height": 64,
        "num_inference_steps": 4,
        "guidance_scale": 4.0,
        "scheduler": "ddim",
        "seed": 7,
    }
    return GenerationSpec(**{**wish, **changes})


@dataclass(frozen=True)
class Visit:
    """A job's stay: admitted before this step, perhaps canceled before that one."""

    spec: GenerationSpec
    joins: int = 0
    canceled: int | None = None


class PoisonedEncoder(nn.Module):
    """Answers the prompt `poison` with NaN, which then spreads through every layer."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, prompts: list[str]) -> Tensor:
        embeds = self.inner(prompts)
        return embeds * float("nan") if "poison" in prompts else embeds

    def truncates(self, prompt: str) -> bool:
        return self.inner.truncates(prompt)


@dataclass
class Outcome:
    """What came out; `canceled` are those that were inside when they were."""

    images: dict[tuple[str, int], FinishedImage] = field(default_factory=dict)
    latents: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    progress: dict[str, list[Progress]] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)


def drive(engine: Engine, pipeline: TinyPipeline, visits: Sequence[Visit]) -> Outcome:
    """Step until every visit is over; job ids are the positions of the visits."""
    outcome = Outcome()
    clock = 0
    while len(engine) or any(visit.joins >= clock for visit in visits):
        for job_id, visit in enumerate(visits):
            if visit.joins == clock:
                engine.admit(str(job_id), visit.spec)
            if visit.canceled == clock:
                inside = len(engine)
                engine.cancel(str(job_id))
                outcome.canceled += [str(job_id)] * (inside - len(engine))
        one_step(engine, pipeline, outcome)
        clock += 1
    return outcome


def one_step(engine: Engine, pipeline: TinyPipeline, outcome: Outcome) -> None:
    pipeline.decoded.clear()
    report = engine.step()
    for progress in report.progress:
        outcome.progress.setdefault(progress.job_id, []).append(progress)
    for image, latents in zip(report.images, pipeline.decoded, strict=True):
        assert (image.job_id, image.index) not in outcome.images
        outcome.images[image.job_id, image.index] = image
        outcome.latents[image.job_id, image.index] = latents
    outcome.finished += [finished.job_id for finished in report.finished]
    outcome.failed |= {failure.job_id: failure.error for failure in report.failed}


def plain_latents(pipeline: TinyPipeline, spec: GenerationSpec, index: int = 0) -> Tensor:
    """What image `index` of this spec is by the plain pipeline alone."""
    return pipeline.denoise(
        spec.prompt,
        negative_prompt=spec.negative_prompt,
        height=spec.height,
        width=spec.width,
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        scheduler=spec.scheduler,
        seed=spec.seed + index,
    )


def assert_close(
    latents: Tensor,
    pixels: Pixels,
    pipeline: TinyPipeline,
    expected: Tensor,
    guidance_scale: float,
) -> None:
    """The engine's law in a crowd: 2e-5 of the largest latent, one grey level in 255.

    Strong guidance multiplies the rounding of both its predictions, and the law is stretched by it.
    """
    bound = 2e-5 * max(1.0, guidance_scale / 4)
    assert (latents - expected).abs().max() <= bound * expected.abs().max()
    plain = pipeline.decode_latents(expected)
    assert np.abs(pixels.astype(int) - plain.astype(int)).max() <= 1
