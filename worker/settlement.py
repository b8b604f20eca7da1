"""What became of the jobs in flight, told twice: to our record first, to RQ's bookkeeping after.

Every method may be called again after a Redis error and takes up where it stopped.
"""

import logging
from collections.abc import Callable
from queue import SimpleQueue

from redis.exceptions import RedisError

from app.jobs.images import ImageStore, ImagesUnavailable
from app.jobs.job import FailureCode, Job
from app.jobs.reconciler import LOST
from app.jobs.store import JobStore, Progress
from worker import spans
from worker.engine_thread import Cancel, Order, Preview
from worker.flight import CANCELED, OVERDUE, PROGRESS_EVERY_S, Ending, Flight, Outcome, is_overdue
from worker.rq_bookkeeping import RqBookkeeping, Running

log = logging.getLogger(__name__)


class Settlement:
    """The flights of one worker, by lease: how they stand, and how they end."""

    def __init__(
        self, rq: RqBookkeeping, store: JobStore, images: ImageStore, orders: SimpleQueue[Order]
    ) -> None:
        self.flights: dict[str, Flight] = {}
        self._rq = rq
        self._store = store
        self._images = images
        self._orders = orders
        self._strays: set[tuple[str, str]] = set()
        self._told_at = 0.0

    @property
    def num_images(self) -> int:
        return sum(flight.job.spec.num_images for flight in self.flights.values())

    # -- going well --

    def publish(self, at: float) -> None:
        """Write what has happened since the last round: pictures one by one, progress together."""
        for flight in list(self.flights.values()):
            if flight.warnings and flight.is_started:
                self._store.warned(flight.job, flight.lease, flight.warnings)
                flight.warnings = ()
            self._publish_images(flight)
        self._tell_progress(at)

    def _tell_progress(self, at: float) -> None:
        """Of all jobs at the same moments, since every telling is a round trip.

        It brings back who wishes for previews; the engine is asked for them.
        """
        is_due = at - self._told_at >= PROGRESS_EVERY_S
        moved = [one for one in self.flights.values() if one.takes_progress(is_due=is_due)]
        if not moved:
            return
        updates = [
            Progress(flight.job.id, flight.lease, flight.next_step, flight.job.total_steps,
                     flight.previews)
            for flight in moved
        ]  # fmt: skip
        watched = self._store.progressed(updates)
        self._told_at = at if is_due else self._told_at
        for flight in moved:
            flight.step, flight.previews = flight.next_step, {}
            if flight.job.id in watched and flight.takes_preview(at):
                flight.asked_at = at
                self._orders.put(Preview(flight.lease))

    def _publish_images(self, flight: Flight) -> None:
        while flight.unpublished and flight.outcome is None:
            image = flight.unpublished[0]
            if not self._store.image_stored(flight.job.id, flight.lease, image):
                self._drop(flight)
                return
            flight.indices.add(image.index)
            flight.unpublished.pop(0)

    # -- ending --

    def settle(self) -> None:
        """End every flight that has come to its end."""
        for flight in list(self.flights.values()):
            if not flight.is_started:
                continue
            if flight.outcome is not None:
                self._settle_badly(flight, flight.outcome)
            elif flight.engine_s is not None and flight.has_all_images:
                self._store.succeeded(flight.job, flight.lease, flight.engine_s, flight.engine)
                spans.tell(flight)
                self._close(flight, self._rq.finish)
            elif is_overdue(flight.job):
                self.end(flight, OVERDUE)
        self._sweep()

    def end(self, flight: Flight, outcome: Outcome) -> None:
        """Decide how the job ends and have the engine free its place before the next step."""
        flight.end(outcome)
        self._orders.put(Cancel(flight.lease))

    def _settle_badly(self, flight: Flight, outcome: Outcome) -> None:
        job_id, lease = flight.job.id, flight.lease
        spans.tell(flight)
        if outcome.ending is Ending.CANCELED:
            self._store.canceled(job_id, lease)
            self._close(flight, self._rq.stop)
            return
        log.warning("job.failed id=%s code=%s cause=%s", job_id, outcome.code, outcome.cause)
        self._store.failed(job_id, lease, outcome.code, outcome.message)
        error = outcome.error or RuntimeError(outcome.message)
        self._close(flight, lambda running: self._rq.fail(running, error))

    def _close(self, flight: Flight, tell_rq: Callable[[Running], None]) -> None:
        """Have RQ end what our record has ended, if RQ still thinks that it runs here."""
        if self._has_lease(flight) and self._rq.holds([flight.running])[0]:
            tell_rq(flight.running)
        else:
            log.warning("job.dropped id=%s", flight.job.id)
            self._rq.let_go(flight.running)
        self._forget(flight)

    def _has_lease(self, flight: Flight) -> bool:
        """Whether no later attempt is running; RQ cannot tell two of one worker apart."""
        record = self._store.get(flight.job.id)
        if record is None or record.status.is_terminal or not flight.is_started:
            return True
        return record.lease == flight.lease

    def _drop(self, flight: Flight) -> None:
        """The job is somebody else's by now, or erased: leave no trace of ours."""
        self._orders.put(Cancel(flight.lease))
        self._close(flight, self._rq.stop)

    def _forget(self, flight: Flight) -> None:
        self._strays |= {(flight.job.id, key) for key in flight.keys}
        del self.flights[flight.lease]
        self._rq.settle_state()

    # -- pictures that nobody asks for any more --

    def stray(self, job_id: str, key: str) -> None:
        """A picture was stored after its flight had ended."""
        self._strays.add((job_id, key))

    def _sweep(self) -> None:
        """Delete pictures that no record lists; an open job's next attempt takes them up."""
        while self._strays:
            job_id, key = next(iter(self._strays))
            job = self._store.get(job_id)
            listed = job is not None and key in {image.key for image in job.images}
            if job is None or (job.status.is_terminal and not listed):
                try:
                    self._images.delete([key])
                except ImagesUnavailable as error:
                    log.warning("images.left_behind id=%s: %s", job_id, error)
            self._strays.discard((job_id, key))

    # -- staying alive, leaving --

    def prolong(self) -> None:
        """Prolong every lease, or see that a job was taken over, erased or canceled meanwhile."""
        flights = list(self.flights.values())
        if not flights:
            return
        records = self._store.get_many([flight.job.id for flight in flights])
        held = self._rq.holds([flight.running for flight in flights])
        for flight, record, is_held in zip(flights, records, held, strict=True):
            if flight.outcome is None:
                self._prolong(flight, record, is_held=is_held)

    def _prolong(self, flight: Flight, record: Job | None, *, is_held: bool) -> None:
        is_ours = record is not None and (record.lease == flight.lease or not flight.is_started)
        if not (is_held and is_ours):
            self._drop(flight)
        elif record is not None and record.is_cancel_requested:
            self.end(flight, CANCELED)
        else:
            self._rq.prolong(flight.running)

    def lost(self, job_id: str) -> None:
        """No attempt is left."""
        self._store.failed(job_id, "", FailureCode.WORKER_LOST, LOST)

    def hand_back(self) -> None:
        """Put all jobs at the head of their queues, the eldest first."""
        for flight in reversed(list(self.flights.values())):
            self._orders.put(Cancel(flight.lease))
            self._close(flight, self._rq.hand_back)

    def give_up(self, error: Exception) -> None:
        """The device is gone: every job spends an attempt, at once instead of a lease later."""
        log.critical("worker.gives_up: %s; %d jobs go back", error, len(self.flights))
        for flight in reversed(list(self.flights.values())):
            try:
                is_held = self._rq.holds([flight.running])[0]
                if is_held and not flight.running.job.should_retry:
                    self.lost(flight.job.id)
                self._close(flight, lambda running: self._rq.fail(running, error, may_retry=True))
            except RedisError:
                log.exception("job.not_given_back id=%s", flight.job.id)
