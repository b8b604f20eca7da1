"""How the threads of tensor operations wait for the next one. To be said before torch comes."""

import os


def let_threads_sleep() -> None:
    """Have OpenMP's threads sleep between two operations of torch, not spin.

    Spinning threads take the cores from OpenVINO's streams, which compute meanwhile: a pass of the
    default model took twice the CPU's time. Who has set `OMP_WAIT_POLICY` is not overruled.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
