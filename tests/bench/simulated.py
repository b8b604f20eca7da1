"""A worker whose engine only waits: `python -m tests.bench.simulated`.

All that it does towards Redis, RQ and the image store is real; a step takes SIMULATED_STEP_S
(default 0.2) seconds for up to DARKROOM_MAX_BATCH_SIZE images and costs no arithmetic. So many
workers fit on one machine, and what limits them is the service.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Collection
from secrets import token_hex
from typing import cast

import numpy as np

from app.jobs.catalogue import Catalogue
from app.jobs.connection import connect
from app.jobs.images import WRITE_PATIENCE_S, ImageStore
from app.jobs.queues import JobQueues
from app.jobs.spec import GenerationSpec
from app.jobs.store import JobStore
from tests.app.front_end import MODEL
from worker.affinity import Affinity
from worker.engine import Engine
from worker.engine_thread import EngineThread
from worker.engine_worker import EngineWorker, Terms
from worker.output import Telling
from worker.report import Finished, FinishedImage, Progress, Report
from worker.settings import WorkerSettings

STEP_S = float(os.environ.get("SIMULATED_STEP_S", "0.2"))


class SimulatedEngine:
    """Takes as long as an engine would, and draws black pictures."""

    def __init__(self, max_batch_size: int) -> None:
        self._max_batch_size = max_batch_size
        self._jobs: dict[str, tuple[GenerationSpec, int, float]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def admit(
        self,
        job_id: str,
        spec: GenerationSpec,
        skip: Collection[int] = (),
        time_left_s: float | None = None,
        owner: str = "",
    ) -> tuple[str, ...]:
        self._jobs[job_id] = spec, 0, time.monotonic()
        return ()

    def cancel(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)

    def preview(self, job_id: str) -> None:
        """There is nothing to see."""

    def step(self) -> Report:
        time.sleep(STEP_S)
        batch = list(self._jobs)[: self._max_batch_size]
        images, progress, finished = list[FinishedImage](), list[Progress](), list[Finished]()
        for job_id in batch:
            spec, step, since = self._jobs[job_id]
            self._jobs[job_id] = spec, step + 1, since
            progress.append(Progress(job_id, step + 1, spec.num_inference_steps))
            if step + 1 == spec.num_inference_steps:
                pixels = np.zeros((spec.height, spec.width, 3), np.uint8)
                images += [
                    FinishedImage(job_id, index, spec.seed + index, pixels)
                    for index in range(spec.num_images)
                ]
                finished.append(Finished(job_id, time.monotonic() - since))
                del self._jobs[job_id]
        return Report(
            tuple(progress),
            tuple(images),
            tuple(finished),
            denoised=len(batch),
            rows=2 * len(batch),
        )


def main() -> None:
    settings = WorkerSettings()
    redis = connect(settings.redis_url or sys.exit("DARKROOM_REDIS_URL is not set"))
    catalogue = Catalogue(redis)
    catalogue.announce(MODEL)
    load = cast(Callable[[], Engine], lambda: SimulatedEngine(settings.max_batch_size))
    EngineWorker(
        name=f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}",
        device="simulated",
        models=[MODEL],
        affinity=Affinity({MODEL.id: 0}, None),
        slots=settings.slots,
        terms=Terms(
            lease_s=settings.job_lease_s, drain_s=settings.drain_s, stall_s=settings.stall_s
        ),
        store=JobStore(redis, JobQueues(redis), settings.job_ttl_s),
        catalogue=catalogue,
        images=ImageStore(settings.image_store_url, settings.s3, WRITE_PATIENCE_S),
        engine=EngineThread(load),
        redis=redis,
        telling=Telling(settings.embed_prompt),
    ).work()


if __name__ == "__main__":
    main()
