"""What is done to the service and when: drawn from a seed, so that it can be done again."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

PARTS = ("api", "worker-1", "worker-2", "webhooks", "valkey")
WIRES = (
    "clients-api",
    "api-valkey",
    "worker-1-valkey",
    "worker-2-valkey",
    "webhooks-valkey",
    "webhooks-receiver",
)


class Deed(StrEnum):
    """Ways to harm a part, and ways to harm a wire."""

    KILL = "kill -9"
    FREEZE = "freeze"
    CUT = "cut"
    DELAY = "delay"
    RESET = "reset"


LASTS_S = {  # shortest and longest; a lease of 3 s lies between
    Deed.KILL: (0.1, 1.5),  # until its supervisor starts it again
    Deed.FREEZE: (0.3, 5.0),
    Deed.CUT: (0.3, 5.0),
    Deed.DELAY: (1.0, 3.0),
    Deed.RESET: (0.0, 0.0),
}
DELAY_S = (0.02, 0.25)  # each way
GAP_S = (0.2, 2.0)
DOUBLE = 0.15  # part of the faults that come with a second one


@dataclass(frozen=True)
class Fault:
    """One harm to one target. `strength_s`: of a delay, each way; `gap_s`: quiet before it."""

    deed: Deed
    target: str
    lasts_s: float
    gap_s: float
    strength_s: float = 0.0


def every_harm() -> list[tuple[Deed, str]]:
    """Each deed with each target that it can be done to."""
    on_parts = [(deed, part) for deed in (Deed.KILL, Deed.FREEZE) for part in PARTS]
    on_wires = [(deed, wire) for deed in (Deed.CUT, Deed.DELAY, Deed.RESET) for wire in WIRES]
    return on_parts + on_wires


def draw_plan(random: Random, count: int) -> list[list[Fault]]:
    """At least `count` faults, in groups that strike together.

    Harms are dealt like cards: every one comes before any comes again.
    """
    plan, deck = list[list[Fault]](), list[tuple[Deed, str]]()
    while sum(map(len, plan)) < count:
        size = 2 if random.random() < DOUBLE else 1
        if len(deck) < size:
            deck = every_harm()
            random.shuffle(deck)
        plan.append([draw_fault(random, *deck.pop()) for _ in range(size)])
    return plan


def draw_fault(random: Random, deed: Deed, target: str) -> Fault:
    return Fault(
        deed,
        target,
        lasts_s=round(random.uniform(*LASTS_S[deed]), 3),
        gap_s=round(random.uniform(*GAP_S), 3),
        strength_s=round(random.uniform(*DELAY_S), 3) if deed is Deed.DELAY else 0.0,
    )
