"""What exactness costs: an engine whose bits no company changes, beside the same one batching."""

import statistics
from collections.abc import Callable
from typing import Any

from models.pipeline import LatentDiffusionPipeline
from worker.bench.serving import Clock, Served, by_engine, draw_alone, largest_difference
from worker.bench.traffic import burst, mixed
from worker.engine import Engine
from worker.warm_up import warm_up


def cost_of_exactness(
    pipeline: LatentDiffusionPipeline,
    num_jobs: int,
    max_batch_size: int,
    repeats: int,
    now: Callable[[], float],
) -> dict[str, Any]:
    """One burst both ways, in turns; the pipeline is to be torch's own, as an exact engine's is."""
    costs = warm_up(pipeline, 2 * max_batch_size, now)
    specs = mixed(pipeline.card, num_jobs, seed=1)

    def serve(*, exact: bool) -> Served:
        engine = Engine(pipeline, max_batch_size, costs, exact=exact)
        return by_engine(engine, burst(specs), Clock(now))

    pairs = [(serve(exact=False), serve(exact=True)) for _ in range(repeats)]
    _, alone = draw_alone(pipeline, specs, Clock(now))
    return {
        "jobs": num_jobs,
        "repeats": repeats,
        "makespan": _beside([(one.makespan_s, exact.makespan_s) for one, exact in pairs]),
        "mean": _beside([(one.mean_s, exact.mean_s) for one, exact in pairs]),
        "share_of_bytes_unlike_the_plain_loop": {
            "as it comes": largest_difference(pairs[0][0].pictures, alone)[1],
            "exact": largest_difference(pairs[0][1].pictures, alone)[1],
        },
    }


def _beside(seconds: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = [exact / batched for batched, exact in seconds]
    return {
        "as_it_comes_s": statistics.median(batched for batched, _ in seconds),
        "exact_s": statistics.median(exact for _, exact in seconds),
        "exact_costs_times": statistics.median(ratios),
        "range_of_times": f"{min(ratios):.2f} to {max(ratios):.2f}",
    }
