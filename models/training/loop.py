"""What every training run shares: the learning rate, the clock and the checkpoints.

Knows nothing of what is trained.
"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch


@dataclass(frozen=True)
class Budget:
    """How long a run lasts: so many minutes of wall clock, or so many steps, if that is sooner.

    The learning rate follows the part that is spent, so that a run that is bound by time ends
    with a small one just like a run that is bound by steps.
    """

    minutes: float
    max_steps: int = 10_000_000

    def spent(self, elapsed_s: float, global_step: int) -> float:
        """The part of the budget that is used up, in [0, 1]."""
        return min(1.0, max(elapsed_s / 60 / self.minutes, global_step / self.max_steps))


def learning_rate_factor(spent: float, global_step: int, warmup_steps: int) -> float:
    """Linear warm-up over steps, then a cosine to 2 % over what is left of the budget."""
    warmup = min(1.0, (global_step + 1) / warmup_steps)
    return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent)))


@dataclass
class Progress:
    """The clock of a run: elapsed time over all its starts, and a line now and then."""

    budget: Budget
    samples_per_step: int
    every_s: float = 20.0
    elapsed_before_s: float = 0.0
    started: float = field(default_factory=time.monotonic)
    last_print: float = 0.0
    losses: list[float] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        """Seconds trained, those before a resume included."""
        return self.elapsed_before_s + time.monotonic() - self.started

    def report(self, global_step: int, loss: float) -> None:
        """Note a step and print a line with the time left every `every_s` seconds."""
        self.losses.append(loss)
        now = time.monotonic()
        if now - self.last_print < self.every_s:
            return
        mean = sum(self.losses) / len(self.losses)
        spent = self.budget.spent(self.elapsed_s, global_step)
        left_s = self.elapsed_s * (1 - spent) / max(spent, 1e-6)
        rate = self.samples_per_step * len(self.losses) / (now - max(self.last_print, self.started))
        print(
            f"step {global_step}  loss {mean:.4f}  {rate:.0f} samples/s  "
            f"{self.elapsed_s / 60:.1f} min spent, {left_s / 60:.1f} min left",
            flush=True,
        )
        self.last_print = now
        self.losses.clear()


def save_state(path: Path, state: dict) -> None:
    """Write a resumable state, so that a stop in the middle leaves the old one whole."""
    scratch = path.with_suffix(".partial")
    torch.save(state, scratch)
    scratch.replace(path)


def load_state(path: Path) -> dict | None:
    """The state that `save_state` wrote, or None where a run begins."""
    if not path.exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)
