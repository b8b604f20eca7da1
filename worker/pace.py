"""What happens how often. Knows only time."""

import time
from collections.abc import Callable

WEIGHT = 0.2  # of the newest picture: the estimate follows a change within about five

Clock = Callable[[], float]


class Pace:
    """Seconds between two pictures while there is work, smoothed; None before the first."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self.seconds_per_image: float | None = None

    def resume(self) -> None:
        """Work has come after idle time, which says nothing of the speed."""
        self._since = self._clock()

    def count(self, images: int) -> None:
        """So many pictures have come out together just now."""
        if not images:
            return
        elapsed = (self._clock() - self._since) / images
        self._since = self._clock()
        known = self.seconds_per_image
        self.seconds_per_image = elapsed if known is None else known + WEIGHT * (elapsed - known)


class Every:
    """Calls an action when its period has passed since the last call that went well."""

    def __init__(
        self, period_s: float, action: Callable[[], None], clock: Clock = time.monotonic
    ) -> None:
        self._period_s = period_s
        self._action = action
        self._clock = clock
        self._due = clock()

    def __call__(self) -> None:
        if self._clock() >= self._due:
            self._action()
            self._due = self._clock() + self._period_s

    def hasten(self) -> None:
        """The next call acts, however short the time."""
        self._due = self._clock()
