"""A part of `darkroom up` does not outlive its supervisor, even one that was killed outright."""

import os
import signal
import time
from threading import Thread

SUPERVISOR = "DARKROOM_SUPERVISOR"  # the process id, given to each part
LOOK_EVERY_S = 0.5


def end_with_supervisor() -> None:
    """Send ourselves SIGTERM once the supervisor is gone; nothing happens where there is none."""
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor:
        Thread(target=_watch, args=[int(supervisor)], name="lifeline", daemon=True).start()


def _watch(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
