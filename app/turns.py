"""How long one of Python's threads keeps the others waiting, in processes that must answer soon."""

import sys

SWITCH_S = 0.000_5  # a status read is shorter than Python's own 5 ms


def take_short_turns() -> None:
    """Have a thread that computes give way after half a millisecond."""
    sys.setswitchinterval(SWITCH_S)
