"""One training run: weights, their average, an optimizer and a clock, from start to resume.

Knows steps, budgets and files. Knows nothing of what the loss means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from models.training.ema import Ema
from models.training.loop import Budget, Progress, learning_rate_factor, load_state, save_state
from models.training.replicas import Replicas

AVERAGE_EVERY_STEPS = 8
SAVE_EVERY_S = 240


@dataclass(frozen=True)
class Recipe:
    """How weights are learnt, whatever they are. `batch_size` is that of one replica."""

    batch_size: int
    learning_rate: float
    warmup_steps: int = 200
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    seed: int = 0


@dataclass
class Run:
    """All that a stopped run needs to go on."""

    module: nn.Module
    ema: Ema
    optimizer: torch.optim.Optimizer
    progress: Progress
    recipe: Recipe
    replicas: Replicas
    global_step: int = 0

    @classmethod
    def begin(
        cls, module: nn.Module, recipe: Recipe, budget: Budget, replicas: Replicas, path: Path
    ) -> Self:
        """A new run, or the one that stopped at `path`."""
        optimizer = torch.optim.AdamW(
            module.parameters(), betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True
        )
        progress = Progress(budget, recipe.batch_size * replicas.count)
        run = cls(module, Ema(module, recipe.ema_decay), optimizer, progress, recipe, replicas)
        if state := load_state(path):
            module.load_state_dict(state["weights"])
            run.ema.load_state_dict(state["ema"])
            optimizer.load_state_dict(state["optimizer"])
            run.global_step = state["global_step"]
            progress.elapsed_before_s = state["elapsed_s"]
        return run

    def save(self, path: Path) -> None:
        """Write everything to one file."""
        state = {
            "weights": self.module.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "global_step": self.global_step,
            "elapsed_s": self.progress.elapsed_s,
        }
        save_state(path, state)

    def train(self, next_loss: Callable[[], Tensor], path: Path) -> None:
        """Step until the budget is spent, saving to `path` now and at the end."""
        saved_s = self.progress.elapsed_s
        spent = self.spent()
        while spent < 1:
            self.step(next_loss, spent)
            if self.global_step % AVERAGE_EVERY_STEPS:
                continue
            self.replicas.average(self.module.parameters())
            spent = self.spent()
            is_due = self.progress.elapsed_s - saved_s > SAVE_EVERY_S or spent >= 1
            if self.replicas.is_first and is_due:
                saved_s = self.progress.elapsed_s
                self.save(path)

    def spent(self) -> float:
        """The part of the budget that is used up, by the clock of the first replica."""
        elapsed_s = self.progress.elapsed_s
        return self.replicas.agree(self.progress.budget.spent(elapsed_s, self.global_step))

    def step(self, next_loss: Callable[[], Tensor], spent: float) -> None:
        """One optimizer step."""
        factor = learning_rate_factor(spent, self.global_step, self.recipe.warmup_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        loss = next_loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.global_step += 1
        if self.replicas.is_first:
            self.ema.update(self.module)
            self.progress.report(self.global_step, loss.item())
