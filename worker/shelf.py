"""Several models behind the interface of one engine: loaded when they are needed, within a budget.

Every model has an engine of its own; those with jobs inside take turns, one step each. Knows no
Redis, no RQ, no HTTP.
"""

import gc
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection

from app.jobs.spec import GenerationSpec
from models.card import CheckpointError
from models.pipeline import UnsupportedRequest
from worker.affinity import Affinity
from worker.engine import Engine
from worker.report import Report

log = logging.getLogger(__name__)


class Shelf:
    """The engines of the models that are loaded; `len(shelf)` counts the jobs inside."""

    def __init__(
        self,
        load: Callable[[str], Engine],
        affinity: Affinity,
        tell: Callable[[tuple[str, ...]], None] = lambda held: None,
    ) -> None:
        """`load` makes a model's engine; `tell` hears what is held, the longest unused first."""
        self._load = load
        self._affinity = affinity
        self._tell = tell
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._models: dict[str, str] = {}

    def __len__(self) -> int:
        return sum(len(engine) for engine in self._engines.values())

    def fill(self) -> None:
        """Load what is served, in order, as far as there is room.

        Raises:
            CheckpointError: a model cannot be loaded.
        """
        for model in self._affinity.served:
            if self._affinity.fits({*self._engines, model}):
                self._engines[model] = self._load(model)
                log.info("model.loaded %s", model)
        self._tell(tuple(self._engines))

    def admit(
        self,
        job_id: str,
        spec: GenerationSpec,
        skip: Collection[int] = (),
        time_left_s: float | None = None,
        owner: str = "",
    ) -> tuple[str, ...]:
        """As `Engine.admit`; the model is loaded first if need be.

        Raises:
            UnsupportedRequest: the model cannot be loaded, or cannot serve the spec.
        """
        engine = self._engine(spec.model)
        warnings = engine.admit(job_id, spec, skip, time_left_s, owner)
        self._models[job_id] = spec.model
        return warnings

    def cancel(self, job_id: str) -> None:
        """As `Engine.cancel`."""
        if engine := self._engine_of(job_id):
            engine.cancel(job_id)
            del self._models[job_id]

    def preview(self, job_id: str) -> None:
        """As `Engine.preview`."""
        if engine := self._engine_of(job_id):
            engine.preview(job_id)

    def step(self) -> Report:
        """One step of the engine whose turn it is; an empty report if there is nothing to do."""
        for model, engine in self._engines.items():
            if len(engine):
                self._engines.move_to_end(model)
                report = engine.step()
                for ended in (*report.finished, *report.failed):
                    self._models.pop(ended.job_id, None)
                return report
        return Report()

    def _engine_of(self, job_id: str) -> Engine | None:
        model = self._models.get(job_id)
        return None if model is None else self._engines[model]

    def _engine(self, model: str) -> Engine:
        if model not in self._engines:
            self._make_room(model)
            try:
                self._engines[model] = self._load(model)
            except CheckpointError as error:
                said = f"model {model!r} cannot be loaded: {error.reason}"
                raise UnsupportedRequest(said) from error
            log.info("model.loaded %s", model)
        self._engines.move_to_end(model)
        self._tell(tuple(self._engines))
        return self._engines[model]

    def _make_room(self, model: str) -> None:
        """Unload what may not stay beside this model; never one with jobs inside."""
        staying = self._affinity.beside(model, list(self._engines))
        for other in [one for one in self._engines if one not in staying]:
            if not len(self._engines[other]):
                del self._engines[other]
                gc.collect()  # modules and their hooks know each other
                log.info("model.unloaded %s", other)
