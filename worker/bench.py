"""`python -m worker.bench`: the engine beside the plain pipeline, same weights, same run.

A burst of jobs of unlike steps, schedulers and guidance is drawn one at a time by the plain
pipeline and all at once by the engine, in turns, so that a busy machine slows both alike.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from app.jobs.spec import GenerationSpec
from models.pipeline import LatentDiffusionPipeline, Pixels
from worker.engine import Engine, Stats
from worker.warm_up import warm_up

DEFAULT_MODEL = Path(__file__).parents[1] / "models" / "default"
FEWEST_STEPS, MOST_STEPS = 8, 40
PROMPTS = (
    "a red apple",
    "a blue fish in the sea",
    "a green tree on a hill",
    "a yellow bird",
    "a house at night",
    "a cat on a sofa",
    "a ship in a storm",
    "a bowl of fruit",
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One pass over all jobs: pictures in job order, when each was done, and the last (s)."""

    pictures: tuple[Pixels, ...]
    latencies_s: tuple[float, ...]

    @property
    def makespan_s(self) -> float:
        return max(self.latencies_s)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians over the repeats; ratios are engine / one at a time, so below 1 is better."""

    jobs: int
    repeats: int
    one_at_a_time_s: float
    engine_s: float
    makespan_ratio: float
    mean_latency_ratio: float
    largest_pixel_difference: int
    engine: Stats


def burst(pipeline: LatentDiffusionPipeline, num_jobs: int) -> list[GenerationSpec]:
    """Jobs of 8 to 40 steps over all the model's schedulers; every fourth is unguided."""
    card = pipeline.card
    span = MOST_STEPS - FEWEST_STEPS
    return [
        GenerationSpec(
            prompt=PROMPTS[i % len(PROMPTS)],
            model="bench",
            width=card.native_size,
            height=card.native_size,
            # A stride, so that long and short arrive mixed.
            num_inference_steps=FEWEST_STEPS + span * (i * 7 % num_jobs) // max(1, num_jobs - 1),
            guidance_scale=1.0 if i % 4 == 3 else card.default_guidance_scale,
            scheduler=card.schedulers[i % len(card.schedulers)],
            seed=i,
        )
        for i in range(num_jobs)
    ]


def one_at_a_time(pipeline: LatentDiffusionPipeline, specs: Sequence[GenerationSpec]) -> Drawn:
    """Each job alone through the plain loop, in order."""
    start = time.perf_counter()
    pictures: list[Pixels] = []
    latencies: list[float] = []
    for spec in specs:
        pictures.append(
            pipeline(
                spec.prompt,
                negative_prompt=spec.negative_prompt,
                height=spec.height,
                width=spec.width,
                num_inference_steps=spec.num_inference_steps,
                guidance_scale=spec.guidance_scale,
                scheduler=spec.scheduler,
                seed=spec.seed,
            )
        )
        latencies.append(time.perf_counter() - start)
    return Drawn(tuple(pictures), tuple(latencies))


def all_at_once(engine: Engine, specs: Sequence[GenerationSpec]) -> Drawn:
    """All jobs admitted before the first step.

    Raises:
        Exception: what made a job fail; a bench with missing pictures would flatter.
    """
    start = time.perf_counter()
    done: dict[int, tuple[Pixels, float]] = {}
    for i, spec in enumerate(specs):
        engine.admit(str(i), spec)
    while len(engine):
        report = engine.step()
        for failure in report.failed:
            raise failure.error
        for image in report.images:
            done[int(image.job_id)] = (image.pixels, time.perf_counter() - start)
    in_order = [done[i] for i in range(len(specs))]
    return Drawn(tuple(p for p, _ in in_order), tuple(s for _, s in in_order))


def compare(
    pipeline: LatentDiffusionPipeline, num_jobs: int, max_batch_size: int, repeats: int
) -> Comparison:
    """Draw the burst both ways, in turns, after one warm-up of each."""
    specs = burst(pipeline, num_jobs)
    engine = Engine(pipeline, max_batch_size, warm_up(pipeline, 2 * max_batch_size))
    difference = largest_difference(one_at_a_time(pipeline, specs), all_at_once(engine, specs))
    engine.stats = Stats()
    alone: list[Drawn] = []
    together: list[Drawn] = []
    for _ in range(repeats):
        alone.append(one_at_a_time(pipeline, specs))
        together.append(all_at_once(engine, specs))
    one_at_a_time_s, engine_s = (
        statistics.median(drawn.makespan_s for drawn in way) for way in (alone, together)
    )
    alone_latency_s, engine_latency_s = (
        statistics.median(statistics.mean(drawn.latencies_s) for drawn in way)
        for way in (alone, together)
    )
    return Comparison(
        jobs=num_jobs,
        repeats=repeats,
        one_at_a_time_s=one_at_a_time_s,
        engine_s=engine_s,
        makespan_ratio=engine_s / one_at_a_time_s,
        mean_latency_ratio=engine_latency_s / alone_latency_s,
        largest_pixel_difference=difference,
        engine=engine.stats,
    )


def largest_difference(first: Drawn, second: Drawn) -> int:
    """In grey levels of 255, over all pictures."""
    pairs = zip(first.pictures, second.pictures, strict=True)
    return max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs)


def describe(comparison: Comparison) -> str:
    """The comparison for a reader, ratios first."""
    c, stats = comparison, comparison.engine
    return "\n".join(
        [
            f"makespan ratio      {c.makespan_ratio:.3f}  (engine / one at a time)",
            f"mean latency ratio  {c.mean_latency_ratio:.3f}",
            f"one at a time       {c.one_at_a_time_s:.3f} s  for {c.jobs} jobs, "
            f"median of {c.repeats}",
            f"engine              {c.engine_s:.3f} s",
            f"forward passes      {stats.forwards / c.repeats:.0f} a burst, "
            f"{stats.rows / max(1, stats.forwards):.1f} rows each",
            f"largest batch       {stats.largest_batch} images, "
            f"{stats.most_distinct_timesteps} distinct timesteps in one forward pass",
            f"pixel difference    at most {c.largest_pixel_difference} of 255",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, compare, print."""
    parser = argparse.ArgumentParser(prog="worker.bench", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a checkpoint folder")
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--max-batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    pipeline = LatentDiffusionPipeline.from_checkpoint(options.model, options.device)
    comparison = compare(pipeline, options.jobs, options.max_batch_size, options.repeats)
    if options.json:
        print(json.dumps(asdict(comparison)))
        return
    print(f"{options.model} on {options.device}, {torch.get_num_threads()} threads")
    print(describe(comparison))


if __name__ == "__main__":
    main()
