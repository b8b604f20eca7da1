"""Counts of what has ended, kept in Redis: every API process tells the same, across restarts.

One hash; a field is a name and its labels. Counting is not part of any job's fate: while Redis is
away nothing is counted and nothing fails.
"""

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from app.jobs import keys
from app.jobs.job import Job, JobStatus

SEPARATOR = "\t"  # no model, status or code has one
BOUNDS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
SUM = "sum"
JOBS, IMAGES, WEBHOOKS = "jobs", "images", "webhooks"
STAGES = ("queue", "generation", "total")  # a succeeded job's seconds, as in its `metrics`


@dataclass
class Histogram:
    """Seconds by the smallest bound that they do not exceed, and their sum."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    sum_s: float = 0.0

    def cumulated(self) -> list[tuple[str, int]]:
        """As Prometheus wants them: how many were at most each bound."""
        pairs, so_far = list[tuple[str, int]](), 0
        for bound in [*map(str, BOUNDS_S), "+Inf"]:
            so_far += self.counts.get(bound, 0)
            pairs.append((bound, so_far))
        return pairs


@dataclass
class Totals:
    """All counts, by their labels: jobs by model, status and code; histograms by stage, model."""

    jobs: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    images: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    webhooks: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    seconds: dict[tuple[str, str], Histogram] = field(
        default_factory=dict[tuple[str, str], Histogram]
    )


class Tally:
    """The counts of one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ended(self, job: Job) -> None:
        """A job has come to its end, whatever that was."""
        model, code = job.spec.model, job.error.code if job.error else ""
        counts: dict[tuple[str, ...], float] = {(JOBS, model, job.status.value, code): 1}
        if job.status is JobStatus.SUCCEEDED:
            counts[IMAGES, model] = len(job.images)
            for stage, seconds in zip(STAGES, _seconds(job), strict=True):
                counts[stage, model, bound_of(seconds)] = 1
                counts[stage, model, SUM] = seconds
        self._add(counts)

    def tried(self, state: str, response_code: int | None) -> None:
        """A webhook was tried: what the delivery is now, and what the receiver answered."""
        self._add({(WEBHOOKS, state, str(response_code or "none")): 1})

    def read(self) -> Totals:
        """All counts. Raises RedisError while Redis is away."""
        found = cast(Mapping[bytes, bytes], self._redis.hgetall(keys.TALLY))
        totals, seconds = Totals(), defaultdict[tuple[str, str], Histogram](Histogram)
        for name, value in found.items():
            kind, *labels = name.decode().split(SEPARATOR)
            if kind in (JOBS, IMAGES, WEBHOOKS):
                getattr(totals, kind)[tuple(labels)] = int(float(value))
            elif labels[-1] == SUM:
                seconds[kind, labels[0]].sum_s = float(value)
            else:
                seconds[kind, labels[0]].counts[labels[1]] = int(float(value))
        totals.seconds = dict(seconds)
        return totals

    def _add(self, counts: Mapping[tuple[str, ...], float]) -> None:
        with contextlib.suppress(RedisError), self._redis.pipeline() as pipe:
            for labels, number in counts.items():
                pipe.hincrbyfloat(keys.TALLY, SEPARATOR.join(labels), number)
            pipe.execute()


def bound_of(seconds: float) -> str:
    """The bucket that these seconds fall into."""
    return next((str(bound) for bound in BOUNDS_S if seconds <= bound), "+Inf")


def _seconds(job: Job) -> tuple[float, float, float]:
    began = job.started_at or job.created_at
    ended = job.finished_at or began
    times = (began - job.created_at, ended - began, ended - job.created_at)
    waited, drawn, total = (max(0.0, time.total_seconds()) for time in times)
    return waited, drawn, total
