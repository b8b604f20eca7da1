import pytest
import torch
from torch import nn

from models.training.ema import Ema


def test_average_follows_the_weights_and_lags_behind() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    ema = Ema(module, ema_decay=0.5)
    nn.init.ones_(module.weight)

    ema.update(module)
    first = ema.weights["weight"].item()
    for _ in range(50):
        ema.update(module)

    assert first == pytest.approx(10 / 11)
    assert ema.weights["weight"].item() == pytest.approx(1)


def test_average_is_copied_back_and_survives_a_restart() -> None:
    module, other = nn.Linear(3, 2), nn.Linear(3, 2)
    ema = Ema(module, 0.9)
    restored = Ema(other, 0.9)

    restored.load_state_dict(ema.state_dict())
    restored.copy_to(other)

    assert torch.equal(other.weight, module.weight)
    assert torch.equal(other.bias, module.bias)
