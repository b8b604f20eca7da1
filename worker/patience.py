"""How threads wait: those of tensor operations for the next one, and all for Python's lock.

To be said before torch comes.
"""

import os
import sys

SWITCH_S = 0.000_5


def let_threads_sleep() -> None:
    """Have OpenMP's threads sleep between two operations of torch, not spin.

    Spinning threads take the cores from OpenVINO's streams, which compute meanwhile: a pass of the
    default model took twice the CPU's time. Who has set `OMP_WAIT_POLICY` is not overruled.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def let_threads_alternate() -> None:
    """Have the thread that talks to Redis give way after half a millisecond, not after five.

    The engine gives Python's lock away with every operation of torch, and waits for it after each.
    """
    sys.setswitchinterval(SWITCH_S)
