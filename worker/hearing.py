"""What the engine, the output threads and clients say, written down on the flights. No Redis."""

import logging
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, cast

from app.jobs.images import ImageStore
from worker.engine_thread import Dead, EngineThread, Event, Holds, Ready, Rejected, Stepped, Warned
from worker.flight import CANCELED, outcome_of
from worker.output import NotStored, Output, Previewed, Stored, Telling
from worker.pace import Pace
from worker.report import Report
from worker.safety import Look
from worker.settlement import Settlement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants this job to end."""

    job_id: str


Said = Event | Stored | NotStored | Previewed | StopRequested


@dataclass
class Counts:
    """What the engine has done since it started."""

    forward_passes: int = 0
    rows: int = 0
    denoising_steps: int = 0
    images: int = 0

    def add(self, report: Report) -> None:
        self.forward_passes += report.rows > 0
        self.rows += report.rows
        self.denoising_steps += report.denoised
        self.images += len(report.images)


class EngineStalled(RuntimeError):
    """The engine has shown no sign of life for too long, or has died."""


class Hearing:
    """The one queue that all others speak into, and what is made of it."""

    def __init__(
        self,
        engine: EngineThread,
        settlement: Settlement,
        images: ImageStore,
        stall_s: float,
        *,
        telling: Telling | None = None,
        look: Look | None = None,
    ) -> None:
        self._engine = engine
        self._settlement = settlement
        self._stall_s = stall_s
        self._events = cast(SimpleQueue[Said], engine.outbox)
        self._output = Output(images, self._events.put, telling=telling, look=look)
        self.pace = Pace()
        self.counts = Counts()
        self.is_ready = False
        self.held: tuple[str, ...] = ()

    def request_stop(self, job_id: str) -> None:
        """From any thread: the job is to end before its next step."""
        self._events.put(StopRequested(job_id))

    def close(self) -> None:
        """Wait for pictures on their way to the store."""
        self._output.close()

    def listen(self, timeout_s: float) -> None:
        """Take in all that was said; wait so long for the first of it.

        Raises:
            EngineStalled: Nothing was said for too long, or only that the engine has died.
        """
        try:
            self._hear(self._events.get(block=timeout_s > 0, timeout=timeout_s or None))
            while True:
                self._hear(self._events.get_nowait())
        except Empty:
            pass
        silent_s = time.monotonic() - self._engine.last_step
        if self._engine.busy and silent_s > self._stall_s:
            raise EngineStalled(f"no step for {silent_s:.0f} s")

    def _hear(self, event: Any) -> None:
        match event:
            case Ready():
                self.is_ready = True
                log.info("worker.ready")
            case Stepped(report):
                self._hear_report(report)
            case Holds(models):
                self.held = models
            case Warned(lease, warnings):
                if flight := self._settlement.flights.get(lease):
                    flight.warnings = warnings
            case Rejected(lease, error):
                self._fail(lease, error)
            case Stored() | NotStored() | Previewed():
                self._hear_output(event)
            case StopRequested(job_id):
                self._stop(job_id)
            case Dead(error):
                raise EngineStalled(f"the engine died: {error}") from error
            case _:
                raise TypeError(f"unknown event {event!r}")

    def _hear_report(self, report: Report) -> None:
        """The engine knows jobs by their leases."""
        flights = self._settlement.flights
        for progress in report.progress:
            if flight := flights.get(progress.job_id):
                flight.next_step = progress.step
        for image in report.images:
            flight = flights.get(image.job_id)
            if flight is not None and flight.outcome is None:
                flight.decoded[image.index] = image.decoded
                self._output.store(flight.job, flight.lease, image)
        for preview in report.previews:
            self._output.preview(preview)
        for finished in report.finished:
            if flight := flights.get(finished.job_id):
                flight.engine_s, flight.engine = finished.engine_s, finished.engine
                flight.encoded = finished.encoded
        for failure in report.failed:
            self._fail(failure.job_id, failure.error)
        self.pace.count(len(report.images))
        self.counts.add(report)

    def _hear_output(self, event: Stored | NotStored | Previewed) -> None:
        flight = self._settlement.flights.get(event.lease)
        if isinstance(event, NotStored):
            self._fail(event.lease, event.error)
        elif isinstance(event, Previewed):
            if flight:
                flight.previews[event.index] = event.data_url
        elif flight:
            flight.unpublished.append(event.image)
            flight.stored[event.image.index] = event.stored
        else:
            self._settlement.stray(event.job_id, event.image.key)

    def _stop(self, job_id: str) -> None:
        for flight in self._settlement.flights.values():
            if flight.job.id == job_id:
                self._settlement.end(flight, CANCELED)

    def _fail(self, lease: str, error: Exception) -> None:
        if flight := self._settlement.flights.get(lease):
            self._settlement.end(flight, outcome_of(error))
