"""Which models' jobs a worker may take now. Counts, names and a clock; no Redis, no tensors.

A worker prefers what it holds. It loads another model for a job that waits if there is room and no
other worker holds that model, or if the job has waited for long although one does. A model that
waits for long because there is no room is not let wait for ever: what stands in its way takes no
new jobs until it has made room.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

PATIENCE_S = 5.0  # longer than a job waits for its turn behind one picture of another model


class Affinity:
    """Of one worker, over the models that it serves."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        budget: int | None = None,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sizes`: bytes of each model that is served; `budget`: bytes that may be held."""
        self.served = list(sizes)
        self._sizes, self._budget = sizes, budget
        self._patience_s, self._clock = patience_s, clock
        self._waiting_since: dict[str, float] = {}

    def unheld(self, held: Collection[str]) -> list[str]:
        return [model for model in self.served if model not in held]

    def willing(
        self,
        held: Sequence[str],
        busy: Collection[str],
        elsewhere: Collection[str],
        waiting: Collection[str],
    ) -> list[str]:
        """The models whose jobs may be taken.

        `held`: loaded here, the longest unused first; `busy`: with jobs inside; `elsewhere`: held
        by other workers; `waiting`: of those not held here, the ones that have jobs waiting.
        """
        now = self._clock()
        self._waiting_since = {one: self._waiting_since.get(one, now) for one in waiting}
        patient = [one for one in waiting if now - self._waiting_since[one] <= self._patience_s]
        wanted = [one for one in waiting if one not in elsewhere or one not in patient]
        roomy = [one for one in wanted if self.fits({*busy, one})]
        starving = [one for one in wanted if one not in roomy and one not in patient]
        if starving:
            return [*roomy, *self.beside(min(starving, key=self._waiting_since.__getitem__), held)]
        return [one for one in self.served if one in held or one in busy or one in roomy]

    def fits(self, models: Collection[str]) -> bool:
        """Whether these may be held together; one alone always may."""
        size = sum(self._sizes[one] for one in models)
        return self._budget is None or len(models) == 1 or size <= self._budget

    def beside(self, model: str, held: Sequence[str]) -> list[str]:
        """What may stay of `held` (the longest unused first) when this model comes."""
        staying: list[str] = []
        for one in reversed(held):
            if self.fits({model, one, *staying}):
                staying.append(one)
        return staying
