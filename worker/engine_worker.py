"""The worker: jobs off the queue, into the engine, results into the store. One loop, one thread.

The main thread does all Redis traffic and signals; the engine thread owns the device; between them
lie two queues. While Redis is away the engine goes on and outcomes wait here. The engine knows a
job by its lease, so that nothing of an attempt that was lost can be taken for the next one's.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError
from redis.exceptions import RedisError

from app.jobs.catalogue import Catalogue, ModelInfo, WorkerInfo
from app.jobs.images import ImageStore
from app.jobs.job import FailureCode, Job
from app.jobs.queues import JobQueues
from app.jobs.reconciler import Reconciler
from app.jobs.store import JobStore
from worker.affinity import Affinity
from worker.delivery import Taken
from worker.engine_thread import Admit, EngineThread, Quit
from worker.flight import CANCELED, Flight, is_overdue, time_left_s
from worker.hearing import EngineStalled, Hearing
from worker.output import Telling
from worker.pace import Every
from worker.rq_bookkeeping import RqBookkeeping
from worker.safety import Look
from worker.settlement import Settlement
from worker.vitals import memory_bytes

log = logging.getLogger(__name__)

BEAT_EVERY_S = 4.0
RECOVER_EVERY_S = 5.0
BELL_S = 1
LOOK_EVERY_S = 1.0
BUSY_POLL_S = 0.02
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.2, 5.0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How long things may take, in seconds.

    Attributes:
        lease_s: A worker silent for so long loses its jobs to another.
        drain_s: After SIGTERM, jobs may finish for so long; the rest goes back to the queue.
        stall_s: A step that takes longer means a hung device.
    """

    lease_s: int
    drain_s: float
    stall_s: float


class EngineWorker(RqBookkeeping):
    """Holds up to `slots` images at once, each job leased and fenced."""

    def __init__(
        self,
        *,
        name: str,
        device: str,
        models: Sequence[ModelInfo],
        affinity: Affinity,
        slots: int,
        terms: Terms,
        store: JobStore,
        catalogue: Catalogue,
        images: ImageStore,
        engine: EngineThread,
        redis: Any,
        telling: Telling | None = None,
        look: Look | None = None,
    ) -> None:
        super().__init__(
            name, affinity.served, redis, terms.lease_s, min(RECOVER_EVERY_S, terms.lease_s / 3)
        )
        self._terms, self._slots, self._device = terms, slots, device
        self._infos = models
        self._affinity, self._elsewhere = affinity, frozenset[str]()
        self._store, self._catalogue = store, catalogue
        self._engine = engine
        self._settlement = Settlement(self, store, images, engine.inbox)
        self._flights = self._settlement.flights
        self._hearing = Hearing(
            engine, self._settlement, images, terms.stall_s, telling=telling, look=look
        )
        self._beat = Every(min(BEAT_EVERY_S, terms.lease_s / 3), self._say_alive)
        self._recover = Every(self.recover_every_s, self._recover_jobs)
        reconciler = Reconciler(redis, store, JobQueues(redis))
        self._reconcile = Every(float(terms.lease_s), reconciler.look)
        self._look = Every(LOOK_EVERY_S, self._look_around)
        self._is_clearing = False
        self._stop_at: float | None = None
        self.on_stop = self._hearing.request_stop
        self.on_lost = self._settlement.lost

    # -- the loop --

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Serve until told to stop. Raises what the engine died of."""
        self.bootstrap(logging_level=None)
        self._install_signal_handlers()
        self._engine.start()
        try:
            self._serve()
        except EngineStalled as error:
            self._settlement.give_up(error)
            raise
        finally:
            self._engine.inbox.put(Quit())
            self._hearing.close()
            self._leave()
        return True

    def _serve(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        is_done = False
        while not is_done:
            try:
                is_done = self._round()
                backoff_s = FIRST_BACKOFF_S
            except RedisError as error:
                if self._is_time_to_leave():
                    log.error("redis.away: %s; leaving, our leases will run out", error)
                    return
                log.error("redis.away: %s; trying again in %.1f s", error, backoff_s)
                time.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
            self._listen()

    def _round(self) -> bool:
        """All Redis traffic of one turn of the loop; True once it was the last."""
        self._beat()
        self._settlement.publish(time.monotonic())
        self._settlement.settle()
        for flight in list(self._flights.values()):
            if not flight.is_started:  # Redis went away in the middle of its beginning
                self._start(flight)
        if not self._stop_requested:
            self._recover()
            self._admit()
            return False
        if self._is_time_to_leave():
            self._settlement.hand_back()
        return not self._flights

    def _is_time_to_leave(self) -> bool:
        if not self._stop_requested:
            return False
        self._stop_at = self._stop_at or time.monotonic() + self._terms.drain_s
        return self.is_handing_back or time.monotonic() > self._stop_at

    def _listen(self) -> None:
        was_ready = self._hearing.is_ready
        self._hearing.listen(BUSY_POLL_S if self._flights or not was_ready else 0)
        if self._hearing.is_ready and not was_ready:
            self._beat.hasten()

    # -- taking jobs --

    def _admit(self) -> None:
        """Fill the free places; with nothing to do at all, sleep until the doorbell."""
        if not self._hearing.is_ready:
            return
        while self._has_room() and (taken := self.take(self._willing())):
            if taken.is_suspect and self._flights:
                self.put_back(taken)
                self._is_clearing = True
            else:
                self._begin(taken)
        if not self._flights:
            self._is_clearing = False
            self.wait_for_bell(self._willing() or self._affinity.served, BELL_S)

    def _has_room(self) -> bool:
        is_alone = any(flight.running.is_suspect for flight in self._flights.values())
        return self._settlement.num_images < self._slots and not (is_alone or self._is_clearing)

    def _willing(self) -> list[str]:
        """The models whose jobs may be taken; of those that are all held, all."""
        held, served = self._hearing.held, self._affinity.served
        busy = {flight.job.spec.model for flight in self._flights.values()}
        others = [model for model in served if model not in held and model not in busy]
        if not others:
            return served
        self._look()
        return self._affinity.willing(held, busy, self._elsewhere, self.having_jobs(others))

    def _look_around(self) -> None:
        others = (one for one in self._catalogue.workers() if one.name != self.name)
        self._elsewhere = frozenset(model for one in others for model in one.loaded)

    def _begin(self, taken: Taken) -> None:
        job = self._job_of(taken) if taken.is_ours else None
        if job is None or self._has_ended(job):
            self.discard(taken)
            return
        if not self._flights:
            self._hearing.pace.resume()
        flight = Flight(job, self.begin(taken))
        self._flights[flight.lease] = flight
        self._start(flight)

    def _has_ended(self, job: Job) -> bool:
        return job.status.is_terminal or (is_overdue(job) and self._store.expired(job))

    def _job_of(self, taken: Taken) -> Job | None:
        try:
            return self._store.get(taken.job_id)
        except ValidationError:  # another version's record, during an upgrade
            message = "The worker cannot read what was asked for."
            self._store.failed(taken.job_id, "", FailureCode.GENERATION_FAILED, message)
            return None

    def _start(self, flight: Flight) -> None:
        """Have our record say that the job runs here, then let it in."""
        job = flight.job
        is_open = self._store.started(job, flight.lease)
        flight.is_started = True
        if not is_open or job.is_cancel_requested:
            flight.end(CANCELED)
        elif flight.outcome is None and not is_overdue(job):
            skip = frozenset(flight.indices)
            self._engine.inbox.put(Admit(flight.lease, job.spec, skip, time_left_s(job), job.owner))

    # -- staying alive, leaving --

    def _say_alive(self) -> None:
        for model in self._infos:
            self._catalogue.announce(model)
        self._catalogue.beat(
            WorkerInfo(
                name=self.name,
                device=self._device,
                models=self._affinity.served,
                loaded=list(self._hearing.held),
                slots=self._slots,
                slots_used=self._settlement.num_images,
                seconds_per_image=self._hearing.pace.seconds_per_image,
                is_ready=self._hearing.is_ready,
                memory_bytes=memory_bytes(self._device),
                **asdict(self._hearing.counts),
            )
        )
        self.say_alive()
        self._settlement.prolong()

    def _recover_jobs(self) -> None:
        if self.recover():
            self._reconcile()
        for job in self._store.overdue():
            self._store.expired(job)

    def _leave(self) -> None:
        try:
            self._catalogue.retire(self.name)
            self.teardown()
        except RedisError as error:
            log.error("redis.away while leaving: %s", error)
