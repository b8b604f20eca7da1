from pathlib import Path

import pytest
import torch

from models.training.replicas import Replicas, launch


def write_mean(replicas: Replicas, folder: Path) -> None:
    weights = [torch.full((2,), float(replicas.rank)), torch.full((1, 3), 10.0 * replicas.rank)]
    replicas.average(weights)
    agreed = replicas.agree(float(replicas.rank + 5))
    torch.save({"weights": weights, "agreed": agreed}, folder / f"{replicas.rank}.pt")


@pytest.mark.timeout(180)
def test_two_replicas_end_up_with_the_same_mean_and_the_first_ones_word(tmp_path: Path) -> None:
    launch(2, write_mean, tmp_path)

    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt")
        assert torch.equal(result["weights"][0], torch.full((2,), 0.5))
        assert torch.equal(result["weights"][1], torch.full((1, 3), 5.0))
        assert result["agreed"] == 5.0


def test_a_single_one_runs_here_and_keeps_its_weights(tmp_path: Path) -> None:
    launch(1, write_mean, tmp_path)

    result = torch.load(tmp_path / "0.pt")
    assert torch.equal(result["weights"][0], torch.zeros(2))
    assert result["agreed"] == 5.0
