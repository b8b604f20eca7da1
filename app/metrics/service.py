"""The service's figures, read from Redis when they are asked for; no process keeps them.

Every API process tells the same, so a query takes the `max` over processes, never the sum. No
prompt, no key's name and no job's id is ever a label.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from app.jobs.catalogue import Catalogue, WorkerInfo
from app.jobs.job import Job
from app.jobs.queues import JobQueues
from app.jobs.store import JobStore
from app.jobs.tally import Tally
from app.metrics.backlog import Backlog

STAGES = {
    "queue": "Seconds that succeeded jobs waited.",
    "generation": "Seconds from the beginning of succeeded jobs to their end.",
    "total": "Seconds from the submission of succeeded jobs to their end.",
}


@dataclass(frozen=True)
class ServiceCollector(Collector):
    """Asked on every scrape; says `darkroom_redis_up 0` and no more while Redis is away."""

    redis: Redis
    catalogue: Catalogue
    queues: JobQueues
    store: JobStore

    def collect(self) -> Iterable[Metric]:
        try:
            metrics = [
                *self._queues(),
                *_workers(self.catalogue.workers()),
                *self._totals(),
                *self._webhooks(),
            ]
        except RedisError:
            metrics = list[Metric]()
        up = GaugeMetricFamily("darkroom_redis_up", "Whether Redis answered.", bool(metrics))
        return [up, *metrics]

    def describe(self) -> Iterable[Metric]:
        return []  # or registering would ask Redis

    def _queues(self) -> Iterable[Metric]:
        depth = _gauge("queue_depth", "Jobs that wait.", "model", "priority")
        processing = _gauge("jobs_processing", "Jobs that workers hold.", "model")
        oldest = _gauge("queue_oldest_seconds", "Age of the job that has waited longest.", "model")
        for model in self.catalogue.models():
            eldest = None
            for priority, (length, head) in self.queues.heads(model.id).items():
                depth.add_metric([model.id, priority.value], length)
                job = self._known(head) if head else None
                if job and (eldest is None or job.created_at < eldest):
                    eldest = job.created_at
            age_s = time.time() - eldest.timestamp() if eldest else 0.0
            oldest.add_metric([model.id], max(0.0, age_s))
            processing.add_metric([model.id], self.queues.executing([model.id]))
        return depth, oldest, processing

    def _known(self, job_id: str) -> Job | None:
        try:
            return self.store.get(job_id)
        except ValueError:  # another version's record, during an upgrade
            return None

    def _totals(self) -> Iterable[Metric]:
        totals = Tally(self.redis).read()
        jobs = _counter("jobs_ended", "Jobs by how they ended.", "model", "status", "code")
        images = _counter("images", "Pictures of jobs that succeeded.", "model")
        tries = _counter("webhook_attempts", "Tries by what came of them.", "state", "code")
        for family, counts in (
            (jobs, totals.jobs), (images, totals.images), (tries, totals.webhooks),
        ):  # fmt: skip
            for labels, number in counts.items():
                family.add_metric(labels, number)
        yield from (jobs, images, tries)
        for stage, documentation in STAGES.items():
            family = HistogramMetricFamily(
                f"darkroom_job_{stage}_seconds", documentation, labels=["model"]
            )
            for (kind, model), histogram in totals.seconds.items():
                if kind == stage:
                    family.add_metric([model], histogram.cumulated(), histogram.sum_s)
            yield family

    def _webhooks(self) -> Iterable[Metric]:
        found = Backlog.read(self.redis)
        yield GaugeMetricFamily("darkroom_webhook_backlog", "Deliveries owed.", found.deliveries)
        yield GaugeMetricFamily("darkroom_webhook_receivers", "Receivers owed.", found.receivers)
        yield GaugeMetricFamily(
            "darkroom_webhook_overdue_seconds", "How late the eldest due delivery is.", found.late_s
        )


def _workers(workers: list[WorkerInfo]) -> Iterable[Metric]:
    labels = ("worker", "device", "model")
    ready = _gauge("worker_ready", "Whether the worker can draw.", *labels)
    slots = _gauge("worker_slots", "Images that it may hold at once.", *labels)
    used = _gauge("worker_slots_used", "Images that it holds.", *labels)
    memory = _gauge("worker_memory_bytes", "Device memory; on a CPU the process's own.", *labels)
    passes = _counter("worker_forward_passes", "Calls of the denoising network.", *labels)
    rows = _counter("worker_rows", "Rows in those calls; guided images have two.", *labels)
    steps = _counter("worker_denoising_steps", "Steps of single images.", *labels)
    drawn = _counter("worker_images", "Pictures drawn, whatever became of their jobs.", *labels)
    for worker in workers:
        names = [worker.name, worker.device, ",".join(worker.models)]
        for family, value in (
            (ready, worker.is_ready), (slots, worker.slots), (used, worker.slots_used),
            (memory, worker.memory_bytes), (passes, worker.forward_passes), (rows, worker.rows),
            (steps, worker.denoising_steps), (drawn, worker.images),
        ):  # fmt: skip
            family.add_metric(names, value)
    return ready, slots, used, memory, passes, rows, steps, drawn


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"darkroom_{name}", documentation, labels=labels)


def _counter(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"darkroom_{name}", documentation, labels=labels)
