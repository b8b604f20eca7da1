import numpy as np
import pytest

from models.training.scenes import lay_out


def square(rgb: tuple[int, int, int]) -> np.ndarray:
    master = np.zeros((64, 64, 4), np.uint8)
    master[4:60, 4:60] = (*rgb, 255)
    return master


@pytest.mark.parametrize("count", [2, 3])
def test_every_thing_is_there_and_apart_from_the_others(count: int) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)][:count]

    scene = lay_out([square(rgb) for rgb in colours], np.random.default_rng(0))

    assert scene.shape == (64, 64, 4)
    for channel in range(count):
        pixels = scene[..., channel] > 150
        assert 15**2 < pixels.sum() < 32**2
    assert not scene[0, 0].any()
