"""Two ways to serve the same arrivals: stock diffusers one at a time, and our engine."""

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from app.jobs.spec import GenerationSpec
from models.pipeline import LatentDiffusionPipeline, Pixels
from worker.bench.traffic import Arrival
from worker.engine import Engine


@contextmanager
def torch_threads(number: int | None) -> Generator[None]:
    """So many threads for each operation of torch; None: as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Clock:
    """Time that passes only while somebody works: waits for the next arrival are jumped over.

    By the wall, or by this process's CPU seconds: those tell one thread's speed on a busy machine.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._zero = now()

    def __call__(self) -> float:
        return self._now() - self._zero

    def jump(self, to: float) -> None:
        self._zero -= max(0.0, to - self())


@dataclass(frozen=True, slots=True)
class Served:
    """Seconds from each job's arrival to its picture, in order of arrival, and the pictures."""

    latencies_s: tuple[float, ...]
    makespan_s: float
    pictures: tuple[Pixels, ...] = ()

    @property
    def mean_s(self) -> float:
        return statistics.mean(self.latencies_s)

    def percentile_s(self, share: float) -> float:
        """The latency that so large a share of the jobs does not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def draw_alone(
    pipeline: LatentDiffusionPipeline, specs: Sequence[GenerationSpec], clock: Clock
) -> tuple[list[float], list[Pixels]]:
    """Seconds and picture of each job by the plain loop, which is diffusers' own bit for bit."""
    seconds: list[float] = []
    pictures: list[Pixels] = []
    for spec in specs:
        began = clock()
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
        seconds.append(clock() - began)
    return seconds, pictures


def one_at_a_time(arrivals: Sequence[Arrival], seconds: Sequence[float]) -> Served:
    """First come, first served, each as long as it took alone: what a queue in front makes."""
    free_at = 0.0
    latencies: list[float] = []
    for arrival, alone_s in zip(arrivals, seconds, strict=True):
        free_at = max(free_at, arrival.at_s) + alone_s
        latencies.append(free_at - arrival.at_s)
    return Served(tuple(latencies), free_at - arrivals[0].at_s)


def by_engine(engine: Engine, arrivals: Sequence[Arrival], clock: Clock) -> Served:
    """Everybody let in on arrival.

    Raises:
        Exception: what made a job fail; a bench with missing pictures would flatter.
    """
    done: dict[int, tuple[float, Pixels]] = {}
    waiting = list(enumerate(arrivals))
    while len(done) < len(arrivals):
        if not len(engine):
            clock.jump(waiting[0][1].at_s)
        while waiting and waiting[0][1].at_s <= clock():
            number, arrival = waiting.pop(0)
            engine.admit(str(number), arrival.spec)
        report = engine.step()
        for failure in report.failed:
            raise failure.error
        for image in report.images:
            done[int(image.job_id)] = (clock(), image.pixels)
    ends = [done[number][0] for number in range(len(arrivals))]
    latencies = [end - one.at_s for end, one in zip(ends, arrivals, strict=True)]
    pictures = tuple(done[number][1] for number in range(len(arrivals)))
    return Served(tuple(latencies), max(ends) - arrivals[0].at_s, pictures)


def psnr_db(ours: Pixels, theirs: Pixels) -> float:
    """Peak signal-to-noise ratio of two pictures; infinite for equal ones."""
    error = np.mean((ours.astype(float) - theirs.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def largest_difference(ours: Sequence[Pixels], theirs: Sequence[Pixels]) -> tuple[int, float]:
    """Over all pictures: in grey levels of 255, and the share of bytes that differ."""
    steps = [
        np.abs(a.astype(int) - b.astype(int)).ravel() for a, b in zip(ours, theirs, strict=True)
    ]
    all_steps = np.concatenate(steps)
    return int(all_steps.max()), float((all_steps > 0).mean())
