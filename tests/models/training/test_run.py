from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.training.loop import Budget
from models.training.replicas import Replicas
from models.training.run import Recipe, Run

RECIPE = Recipe(batch_size=1, learning_rate=0.05, warmup_steps=1, weight_decay=0.0, ema_decay=0.9)


def begin(path: Path, max_steps: int) -> Run:
    torch.manual_seed(0)
    return Run.begin(nn.Linear(1, 1), RECIPE, Budget(60, max_steps), Replicas(), path)


def loss_of(run: Run) -> Tensor:
    return (run.module(torch.ones(1)) - 3).square().sum()


def test_training_lowers_the_loss_and_the_average_follows(tmp_path: Path) -> None:
    run = begin(tmp_path / "run.pt", 160)
    before = loss_of(run).item()

    run.train(lambda: loss_of(run), tmp_path / "run.pt")
    run.ema.copy_to(run.module)

    assert loss_of(run).item() < before / 10


def test_a_run_that_goes_on_has_everything_the_stopped_one_had(tmp_path: Path) -> None:
    stopped = begin(tmp_path / "run.pt", 16)
    stopped.train(lambda: loss_of(stopped), tmp_path / "run.pt")

    resumed = begin(tmp_path / "run.pt", 32)

    assert resumed.global_step == 16
    assert resumed.progress.elapsed_s == pytest.approx(stopped.progress.elapsed_s, abs=1)
    assert torch.equal(resumed.module.weight, stopped.module.weight)
    assert torch.equal(resumed.ema.weights["weight"], stopped.ema.weights["weight"])
    assert resumed.optimizer.state_dict()["state"].keys() == {0, 1}


def test_a_run_whose_budget_is_spent_does_not_step_again(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run = begin(path, 16)
    run.train(lambda: loss_of(run), path)
    finished = begin(path, 16)

    finished.train(lambda: loss_of(finished), path)

    assert finished.global_step == 16


def test_a_resumed_run_keeps_its_place_on_the_learning_rate_curve(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    first = begin(path, 64)
    first.progress.budget = Budget(60, 48)
    first.train(lambda: loss_of(first), path)
    resumed = begin(path, 64)
    rates = []

    def next_loss() -> Tensor:
        rates.append(resumed.optimizer.param_groups[0]["lr"])
        return loss_of(resumed)

    resumed.train(next_loss, path)

    assert rates[0] < RECIPE.learning_rate / 4
