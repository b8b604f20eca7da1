"""How fast pictures come out, for the queue's estimates. Knows only time."""

import time
from collections.abc import Callable

WEIGHT = 0.2  # of the newest picture: the estimate follows a change within about five


class Pace:
    """Seconds between two pictures while there is work, smoothed; None before the first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
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
