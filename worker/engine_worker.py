"""The worker: jobs off the queue, into the engine, results into the store. One loop, one thread.

The main thread does all Redis traffic and signals; the engine thread owns the device; between them
lie two queues. While Redis is away the engine goes on and outcomes wait here.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.jobs.catalogue import Catalogue, WorkerInfo
from app.jobs.images import ImageStore
from app.jobs.job import FailureCode, Job
from app.jobs.store import JobStore, Progress
from worker.engine_thread import Admit, Cancel, Dead, EngineThread, Quit, Ready, Rejected, Stepped
from worker.flight import Ending, Flight, Outcome
from worker.output import NotStored, Output, Stored
from worker.pace import Pace
from worker.report import Report
from worker.rq_bookkeeping import RqBookkeeping, Running, Taken

log = logging.getLogger(__name__)

AWAY = (RedisConnectionError, RedisTimeoutError)
BEAT_EVERY_S = 4.0
RECOVER_EVERY_S = 5.0
BELL_S = 1
BUSY_POLL_S = 0.02
MAX_BACKOFF_S = 5.0
LOST = "The worker was lost on every attempt."
OVERDUE = Outcome(Ending.FAILED, FailureCode.DEADLINE_EXCEEDED, "The deadline passed.")


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants this job to end."""

    job_id: str


class EngineStalled(RuntimeError):
    """The engine has shown no sign of life for too long, or has died."""


class EngineWorker(RqBookkeeping):
    """Runs up to `max_batch_size` images at once, each job leased and fenced."""

    def __init__(
        self,
        *,
        name: str,
        device: str,
        models: list[str],
        max_batch_size: int,
        lease_s: int,
        drain_s: float,
        stall_s: float,
        store: JobStore,
        catalogue: Catalogue,
        images: ImageStore,
        engine: EngineThread,
        redis: Any,
    ) -> None:
        beat = min(BEAT_EVERY_S, lease_s / 3)
        super().__init__(name, models, redis, lease_s, min(RECOVER_EVERY_S, lease_s / 3))
        self._beat_every_s = beat
        self._drain_s, self._stall_s = drain_s, stall_s
        self._slots, self._device, self._models = max_batch_size, device, models
        self._store, self._catalogue = store, catalogue
        self._engine = engine
        self._events = cast(SimpleQueue[Any], engine.outbox)
        self._output = Output(images, self._events.put)
        self._images = images
        self._flights: dict[str, Flight] = {}
        self._pace = Pace()
        self._is_ready = False
        self.stop_requests = lambda job_id: self._events.put(StopRequested(job_id))

    # -- the loop --

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Serve until told to stop. Raises what the engine died of."""
        self.bootstrap(logging_level=None)
        self._install_signal_handlers()
        self._engine.start()
        try:
            self._serve()
        except EngineStalled as error:
            self._give_up(error)
            raise
        finally:
            self._engine.inbox.put(Quit())
            self._output.close()
            self._leave()
        return True

    def _serve(self) -> None:
        beat = _Every(self._beat_every_s, self._beat)
        recover = _Every(self.recover_every_s, self._recover)
        stop_at: float | None = None
        backoff_s = 0.2
        while True:
            try:
                beat()
                self._publish()
                self._settle()
                if self._stop_requested:
                    stop_at = stop_at or time.monotonic() + self._drain_s
                    if self._flights and (self.is_handing_back or time.monotonic() > stop_at):
                        self._hand_back_all()
                    if not self._flights:
                        return
                else:
                    recover()
                    self._admit()
                backoff_s = 0.2
            except AWAY as error:
                log.error("redis.away: %s; trying again in %.1f s", error, backoff_s)
                time.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
            self._listen(BUSY_POLL_S if self._flights or not self._is_ready else 0)
            self._watch()

    # -- hearing the engine --

    def _listen(self, timeout_s: float) -> None:
        """Take in all that the engine, the output threads and clients have said. No Redis here."""
        try:
            event = self._events.get(timeout=timeout_s) if timeout_s else self._events.get_nowait()
            while True:
                self._hear(event)
                event = self._events.get_nowait()
        except Empty:
            return

    def _hear(self, event: Any) -> None:
        match event:
            case Ready():
                self._is_ready = True
                log.info("worker.ready")
                self._beat()
            case Stepped(report):
                self._hear_report(report)
            case Rejected(job_id, error):
                self._fail(job_id, error)
            case Stored() | NotStored():
                self._hear_output(event)
            case StopRequested(job_id):
                if flight := self._flights.get(job_id):
                    flight.end(Outcome(Ending.CANCELED))
                    self._engine.inbox.put(Cancel(job_id))
            case Dead(error):
                raise EngineStalled(f"the engine died: {error}") from error
            case _:
                raise TypeError(f"unknown event {event!r}")

    def _hear_output(self, event: Stored | NotStored) -> None:
        flight = self._flights.get(event.job_id)
        if flight is None or flight.lease != event.lease:
            return
        if isinstance(event, Stored):
            flight.unpublished.append(event.image)
        else:
            self._fail(event.job_id, event.error)

    def _hear_report(self, report: Report) -> None:
        for progress in report.progress:
            if flight := self._flights.get(progress.job_id):
                flight.next_step = progress.step
        for image in report.images:
            if flight := self._flights.get(image.job_id):
                self._output.store(flight.job.spec, flight.lease, image)
        for finished in report.finished:
            if flight := self._flights.get(finished.job_id):
                flight.engine_s = finished.engine_s
        for failure in report.failed:
            self._fail(failure.job_id, failure.error)
        self._pace.count(len(report.images))

    def _fail(self, job_id: str, error: Exception) -> None:
        if flight := self._flights.get(job_id):
            is_memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
            code = FailureCode.OUT_OF_MEMORY if is_memory else FailureCode.GENERATION_FAILED
            flight.end(Outcome(Ending.FAILED, code, f"{type(error).__name__}: {error}", error))
            self._engine.inbox.put(Cancel(job_id))

    def _watch(self) -> None:
        silent_s = time.monotonic() - self._engine.last_step
        if self._engine.busy and silent_s > self._stall_s:
            raise EngineStalled(f"no step for {silent_s:.0f} s")

    # -- taking jobs --

    def _admit(self) -> None:
        if not self._is_ready:
            return
        room = self._slots - sum(flight.job.spec.num_images for flight in self._flights.values())
        if room <= 0:
            return
        if not self._flights:
            self.wait_for_bell(BELL_S)
            self._pace.resume()
        for taken in self.take(room):
            self._begin(taken)

    def _begin(self, taken: Taken) -> None:
        job = self._store.get(taken.job_id) if taken.is_ours else None
        if job is None or job.status.is_terminal:
            self.discard(taken)
            return
        flight = Flight(job, self.begin(taken))
        self._flights[job.id] = flight
        flight.indices = {image.index for image in job.images}
        if flight.is_overdue:
            flight.end(OVERDUE)
        elif job.is_cancel_requested or not self._store.started(job, flight.lease):
            flight.end(Outcome(Ending.CANCELED))
        else:
            self._engine.inbox.put(Admit(job.id, job.spec, frozenset(flight.indices)))

    # -- telling the store --

    def _publish(self) -> None:
        """Write what has happened since the last round: pictures one by one, progress together."""
        at = time.monotonic()
        for flight in list(self._flights.values()):
            while flight.unpublished and flight.outcome is None:
                image = flight.unpublished[0]
                if self._store.image_stored(flight.job.id, flight.lease, image):
                    flight.indices.add(image.index)
                    flight.unpublished.pop(0)
                else:
                    self._drop(flight)
                    break
        moved = [flight for flight in self._flights.values() if flight.takes_progress(at)]
        updates = [
            Progress(flight.job.id, flight.lease, flight.next_step, flight.job.total_steps)
            for flight in moved
        ]
        if updates:
            self._store.progressed(updates)
        for flight in moved:
            flight.step, flight.told_at = flight.next_step, at

    def _settle(self) -> None:
        """End every flight that has an outcome: our record first, RQ's bookkeeping after."""
        for flight in list(self._flights.values()):
            if flight.outcome is not None:
                self._settle_badly(flight, flight.outcome)
            elif flight.engine_s is not None and flight.has_all_images:
                self._store.succeeded(flight.job, flight.lease, flight.engine_s)
                self._close(flight, self.finish)
            elif flight.is_overdue:
                flight.end(OVERDUE)
                self._engine.inbox.put(Cancel(flight.job.id))

    def _settle_badly(self, flight: Flight, outcome: Outcome) -> None:
        if outcome.ending is Ending.CANCELED:
            self._store.canceled(flight.job.id, self._fence(flight))
            self._close(flight, self.stop)
            return
        log.warning("job.failed id=%s code=%s", flight.job.id, outcome.code)
        self._store.failed(flight.job.id, self._fence(flight), outcome.code, outcome.message)
        error = outcome.error or RuntimeError(outcome.message)
        self._close(flight, lambda running: self.fail(running, error))

    def _fence(self, flight: Flight) -> str:
        """Our lease, unless the job ended before it was given to us."""
        current = self._store.get(flight.job.id)
        return flight.lease if current and current.lease == flight.lease else flight.job.lease

    def _close(self, flight: Flight, tell_rq: Callable[[Running], None]) -> None:
        """Have RQ end what our record has ended, if RQ still thinks that it runs here."""
        if self.holds([flight.running])[0]:
            tell_rq(flight.running)
            self._forget(flight)
        else:
            self._drop(flight)

    def _drop(self, flight: Flight) -> None:
        """The job is somebody else's by now, or erased: leave no trace of ours."""
        log.warning("job.dropped id=%s", flight.job.id)
        self._engine.inbox.put(Cancel(flight.job.id))
        self.let_go(flight.running)
        self._forget(flight)
        if self._store.get(flight.job.id) is None:
            self._images.delete(image.key for image in flight.unpublished)

    def _forget(self, flight: Flight) -> None:
        del self._flights[flight.job.id]
        self.settle_state()

    # -- staying alive, leaving --

    def _beat(self) -> None:
        used = sum(flight.job.spec.num_images for flight in self._flights.values())
        self._catalogue.beat(
            WorkerInfo(
                name=self.name,
                device=self._device,
                models=self._models,
                slots=self._slots,
                slots_used=used,
                seconds_per_image=self._pace.seconds_per_image,
                is_ready=self._is_ready,
            )
        )
        self.heartbeat()
        flights = list(self._flights.values())
        records = self._store.get_many([flight.job.id for flight in flights]) if flights else []
        held = self.holds([flight.running for flight in flights]) if flights else []
        for flight, record, is_held in zip(flights, records, held, strict=True):
            if flight.outcome is None:
                self._check(flight, record, is_held=is_held)

    def _check(self, flight: Flight, record: Job | None, *, is_held: bool) -> None:
        """Prolong one lease, or see that the job was taken over, erased or canceled meanwhile."""
        if not is_held or record is None or record.lease != flight.lease:
            self._drop(flight)
        elif record.is_cancel_requested:
            flight.end(Outcome(Ending.CANCELED))
            self._engine.inbox.put(Cancel(flight.job.id))
        else:
            self.prolong(flight.running)

    def _recover(self) -> None:
        self.recover(on_lost=self._lost)
        for job_id in self._store.overdue():
            self._store.expired(job_id)

    def _lost(self, job_id: str) -> None:
        self._store.failed(job_id, "", FailureCode.WORKER_LOST, LOST)

    def _hand_back_all(self) -> None:
        for flight in list(self._flights.values()):
            self._engine.inbox.put(Cancel(flight.job.id))
            self._close(flight, self.hand_back)

    def _give_up(self, error: EngineStalled) -> None:
        """The device is gone: every job spends an attempt, at once instead of a lease later."""
        log.critical("worker.gives_up: %s; %d jobs go back", error, len(self._flights))
        for flight in list(self._flights.values()):
            try:
                if not flight.running.job.should_retry:
                    self._lost(flight.job.id)
                self._close(flight, lambda running: self.fail(running, error, may_retry=True))
            except AWAY:
                log.exception("job.not_given_back id=%s", flight.job.id)

    def _leave(self) -> None:
        try:
            self._catalogue.retire(self.name)
            self.teardown()
        except AWAY as error:
            log.error("redis.away while leaving: %s", error)


class _Every:
    """Calls an action when its period has passed since the last call that went well."""

    def __init__(self, period_s: float, action: Callable[[], None]) -> None:
        self._period_s = period_s
        self._action = action
        self._due = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._due:
            self._action()
            self._due = time.monotonic() + self._period_s
