import numpy as np
import pytest

from models.evaluation.palette import background, count, dominant
from models.training.colours import COLOURS, SHAPES, draw_shape, on_background
from models.training.scenes import lay_out

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ground", [name for name in COLOURS if name != "green"])
def test_a_background_is_named(ground: str) -> None:
    picture = on_background(draw_shape("star", "green", 64), COLOURS[ground])

    assert background(picture) == ground


@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "green", "blue", "purple", "pink"])
@pytest.mark.parametrize("ground", ["white", "gray"])
def test_the_colour_of_a_thing_is_named(colour: str, ground: str) -> None:
    picture = on_background(draw_shape("circle", colour, 64), COLOURS[ground])

    assert dominant(picture) == colour


def test_an_empty_picture_has_its_background_as_its_colour() -> None:
    assert dominant(np.full((32, 32, 3), COLOURS["blue"], np.uint8)) == "blue"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_things_are_counted(number: int) -> None:
    master = draw_shape("circle", "red", 128)
    assert "circle" in SHAPES
    scene = master if number == 1 else lay_out([master] * number, RNG)

    assert count(on_background(scene, COLOURS["white"])) == number
