from pathlib import Path

import pytest
import torch

from models.training.loop import Budget, Progress, learning_rate_factor, load_state, save_state


def test_a_budget_is_spent_by_time_or_by_steps_whichever_is_sooner() -> None:
    budget = Budget(minutes=10, max_steps=100)

    assert budget.spent(elapsed_s=60, global_step=50) == 0.5
    assert budget.spent(elapsed_s=540, global_step=50) == pytest.approx(0.9)
    assert budget.spent(elapsed_s=9_000, global_step=0) == 1


def test_learning_rate_rises_by_steps_and_falls_with_the_budget() -> None:
    warm = learning_rate_factor(spent=0.0, global_step=99, warmup_steps=100)

    assert learning_rate_factor(0.0, 0, 100) == pytest.approx(0.01)
    assert warm == pytest.approx(1)
    assert learning_rate_factor(0.5, 1_000, 100) == pytest.approx(0.51)
    assert learning_rate_factor(1.0, 1_000, 100) == pytest.approx(0.02)


def test_progress_tells_loss_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Budget(10), samples_per_step=8, every_s=0, elapsed_before_s=300)

    progress.report(global_step=7, loss=0.25)

    line = capsys.readouterr().out
    assert "step 7  loss 0.2500" in line
    assert "5.0 min spent, 5.0 min left" in line


def test_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    assert load_state(path) is None

    save_state(path, {"global_step": 3, "weights": {"w": torch.ones(2)}})

    state = load_state(path)
    assert state is not None
    assert state["global_step"] == 3
    assert torch.equal(state["weights"]["w"], torch.ones(2))
    assert list(tmp_path.iterdir()) == [path]
