"""Scenes of load, ours beside stock: medians over the repeats, with their spread."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.pipeline import LatentDiffusionPipeline
from worker.bench.serving import (
    Clock,
    Served,
    by_engine,
    draw_alone,
    largest_difference,
    one_at_a_time,
    psnr_db,
    torch_threads,
)
from worker.bench.traffic import Arrival, a_job, burst, mixed, poisson
from worker.cost import CostCurve
from worker.engine import Engine

LOADS = (0.3, 0.6, 0.9, 1.1)  # of what stock can do

Measured = dict[str, Any]


@dataclass
class Bench:
    """Both ways over the same weights: `stock` by torch, `ours` by the runtime under test.

    `our_threads`: torch's, beside a runtime that has its own; a worker's sleep instead of spinning
    (`worker.patience`), which stock in the same process would pay for.
    """

    stock: LatentDiffusionPipeline
    ours: LatentDiffusionPipeline
    costs: CostCurve
    max_batch_size: int
    clock: Callable[[], Clock]
    repeats: int
    exact: bool = False
    our_threads: int | None = None
    engines: list[Engine] = field(default_factory=list)

    def scene(
        self, arrivals: Sequence[Arrival], stock_s: Sequence[float] | None = None
    ) -> Measured:
        """One pattern of arrivals, both ways in turns; `stock_s`: known times alone."""
        pairs: list[tuple[Served, Served]] = []
        specs = [arrival.spec for arrival in arrivals]
        for _ in range(self.repeats):
            seconds = stock_s or draw_alone(self.stock, specs, self.clock())[0]
            pairs.append((one_at_a_time(arrivals, seconds), self.serve(arrivals)))
        return {"jobs": len(arrivals), "repeats": self.repeats, **_beside(pairs), **self._rows()}

    def serve(self, arrivals: Sequence[Arrival]) -> Served:
        engine = Engine(self.ours, self.max_batch_size, self.costs, exact=self.exact)
        self.engines.append(engine)
        with torch_threads(self.our_threads):
            return by_engine(engine, arrivals, self.clock())

    def burst(self, num_jobs: int, seed: int = 1) -> Measured:
        """All at once."""
        return self.scene(burst(mixed(self.stock.card, num_jobs, seed)))

    def single(self) -> Measured:
        """One job alone, by the card's defaults."""
        return self.scene(burst([a_job(self.stock.card)]))

    def poisson(self, num_jobs: int, seed: int = 2) -> dict[str, Measured]:
        """Random arrivals at several shares of stock's capacity, the same jobs at each."""
        specs = mixed(self.stock.card, num_jobs, seed)
        seconds, _ = draw_alone(self.stock, specs, self.clock())
        mean_s = statistics.mean(seconds)
        return {
            f"{load}": self.scene(poisson(specs, mean_s / load, seed), seconds) for load in LOADS
        }

    def short_among_long(self, num_long: int = 8) -> Measured:
        """A short job that comes when long ones fill the engine, beside the same job alone."""
        card = self.stock.card
        long = [a_job(card, num_inference_steps=50, seed=i) for i in range(num_long)]
        short = a_job(card, num_inference_steps=8, seed=99)
        alone = statistics.median(self.serve(burst([short])).mean_s for _ in range(self.repeats))
        crowd = [*burst(long), Arrival(alone / 2, short)]
        among = statistics.median(self.serve(crowd).latencies_s[-1] for _ in range(self.repeats))
        self.engines = []
        return {"alone_s": alone, "among_long_s": among, "slowdown": among / alone}

    def likeness(self, num_jobs: int, seed: int = 1) -> Measured:
        """How far the pictures of a crowd are from stock's."""
        specs = mixed(self.stock.card, num_jobs, seed)
        _, theirs = draw_alone(self.stock, specs, self.clock())
        pictures, self.engines = self.serve(burst(specs)).pictures, []
        levels, share = largest_difference(pictures, theirs)
        ratios = [psnr_db(a, b) for a, b in zip(pictures, theirs, strict=True)]
        return {
            "largest_difference_of_255": levels,
            "share_of_bytes": share,
            "median_psnr_db": statistics.median(ratios),
            "least_psnr_db": min(ratios),
        }

    def _rows(self) -> Measured:
        stats = [engine.stats for engine in self.engines]
        self.engines = []
        forwards = sum(one.forwards for one in stats)
        return {
            "rows_per_call": sum(one.rows for one in stats) / max(1, forwards),
            "most_rows": max(one.most_rows for one in stats),
            "most_distinct_timesteps": max(one.most_distinct_timesteps for one in stats),
        }


def _beside(pairs: Sequence[tuple[Served, Served]]) -> Measured:
    """Each figure of both ways: medians, and the ratio stock / ours with its range."""
    figures: dict[str, Callable[[Served], float]] = {
        "makespan": lambda served: served.makespan_s,
        "mean": lambda served: served.mean_s,
        "p50": lambda served: served.percentile_s(0.5),
        "p95": lambda served: served.percentile_s(0.95),
        "p99": lambda served: served.percentile_s(0.99),
    }
    beside: Measured = {}
    for name, figure in figures.items():
        ratios = [figure(stock) / figure(ours) for stock, ours in pairs]
        beside[name] = {
            "stock_s": statistics.median(figure(stock) for stock, _ in pairs),
            "ours_s": statistics.median(figure(ours) for _, ours in pairs),
            "times_better": statistics.median(ratios),
            "range": [min(ratios), max(ratios)],
        }
    return beside
