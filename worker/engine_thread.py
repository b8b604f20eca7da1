"""The one thread that owns the device: messages in, messages out, nothing shared.

Knows the engine's interface. Knows nothing of Redis, RQ or HTTP.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from app.jobs.spec import GenerationSpec
from worker.engine import Engine
from worker.report import Report
from worker.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Admit:
    """Take this job in, less the images whose indices are in `skip`.

    `time_left_s`: until its deadline, if it has one.
    """

    job_id: str
    spec: GenerationSpec
    skip: frozenset[int] = frozenset()
    time_left_s: float | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    job_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Show once what this job is becoming."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Quit:
    """End after the current step; jobs inside are dropped."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class Holds:
    """These models are loaded now, the longest unused first."""

    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """A job is inside, and parts of its wish will not be heeded."""

    job_id: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stepped:
    report: Report


@dataclass(frozen=True, slots=True)
class Rejected:
    """The engine did not admit this job; the others are not touched."""

    job_id: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Dead:
    """Loading or stepping broke: the thread has ended and only a new process can help."""

    error: Exception


Order = Admit | Cancel | Preview | Quit
Event = Ready | Holds | Warned | Stepped | Rejected | Dead


class EngineThread(Thread):
    """Builds an engine and steps it for as long as jobs are inside.

    Attributes:
        inbox: `Admit`, `Cancel`, `Preview` and `Quit`, obeyed between two steps.
        outbox: `Ready` or `Dead` first, then one `Stepped` a step; `Holds` at any time.
            `get(timeout=…)` to wait.
        last_step: `time.monotonic()` of the last sign of life, for a watchdog.
        busy: whether jobs are inside; an idle engine shows no signs of life.
    """

    def __init__(self, factory: Callable[[], Engine | Shelf]) -> None:
        super().__init__(name="engine", daemon=True)
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        self.outbox: SimpleQueue[Event] = SimpleQueue()
        self.last_step = time.monotonic()
        self.busy = False
        self._factory = factory

    def run(self) -> None:
        """Build the engine here, since a device belongs to the thread that first used it."""
        try:
            engine = self._factory()
            self.outbox.put(Ready())
            while self._obey(engine):
                self.outbox.put(Stepped(engine.step()))
                self.last_step = time.monotonic()
                self.busy = len(engine) > 0
        except Exception as error:
            self.outbox.put(Dead(error))
        finally:
            self.busy = False

    def _obey(self, engine: Engine | Shelf) -> bool:
        """Take in all that waits; blocks while the engine is empty. False: it is time to quit."""
        while True:
            try:
                order = self.inbox.get(block=len(engine) == 0)
            except Empty:
                return True
            self.last_step = time.monotonic()
            match order:
                case Quit():
                    return False
                case Cancel(job_id):
                    engine.cancel(job_id)
                case Preview(job_id):
                    engine.preview(job_id)
                case Admit():
                    self._admit(engine, order)
            self.busy = len(engine) > 0

    def _admit(self, engine: Engine | Shelf, wish: Admit) -> None:
        try:
            warnings = engine.admit(wish.job_id, wish.spec, wish.skip, wish.time_left_s, wish.owner)
        except Exception as error:
            self.outbox.put(Rejected(wish.job_id, error))
        else:
            if warnings:
                self.outbox.put(Warned(wish.job_id, warnings))
