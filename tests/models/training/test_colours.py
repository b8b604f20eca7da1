import numpy as np
import pytest

from models.evaluation.palette import dominant
from models.training.colours import (
    COLOURS,
    HUES,
    SHAPES,
    draw_shape,
    from_hsv,
    jittered,
    main_hue,
    on_background,
    recolour,
    to_hsv,
)


def plain(rgb: tuple[int, int, int]) -> np.ndarray:
    master = np.zeros((8, 8, 4), np.uint8)
    master[2:6, 2:6] = (*rgb, 255)
    return master


def test_drawing_covers_the_background_only_where_it_is_opaque() -> None:
    picture = on_background(plain((10, 20, 30)), (200, 100, 0))

    assert picture[4, 4].tolist() == [10, 20, 30]
    assert picture[0, 0].tolist() == [200, 100, 0]


def test_white_is_exactly_white_and_other_colours_vary() -> None:
    rng = np.random.default_rng(0)

    assert jittered("white", rng).tolist() == [255, 255, 255]
    assert len({tuple(jittered("blue", rng)) for _ in range(20)}) > 10


def test_hsv_there_and_back_changes_nothing() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (500, 3), dtype=np.uint8)

    assert np.abs(from_hsv(*to_hsv(rgb)).astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("name", ["red", "orange", "yellow", "green", "blue", "purple", "brown"])
def test_a_drawing_in_one_colour_has_that_main_hue(name: str) -> None:
    assert main_hue(plain(COLOURS[name])) == name


def test_gray_and_colourful_drawings_have_no_main_hue() -> None:
    colourful = plain(COLOURS["red"])
    colourful[2:4, 2:6, :3] = COLOURS["blue"]

    assert main_hue(plain(COLOURS["gray"])) is None
    assert main_hue(colourful) is None


def test_recoloured_drawing_has_the_new_hue_and_the_old_outline() -> None:
    master = plain(COLOURS["red"])

    blue = recolour(master, "red", "blue")

    assert main_hue(blue) == "blue"
    assert np.array_equal(blue[..., 3], master[..., 3])


@pytest.mark.parametrize("new", HUES)
@pytest.mark.parametrize("old", [*HUES, "brown"])
def test_a_drawing_can_be_turned_to_every_colour_people_would_call_it_by(
    old: str, new: str
) -> None:
    shaded = plain(COLOURS[old])
    shaded[5, 2:6, :3] = np.asarray(COLOURS[old]) // 2  # a shadow

    turned = recolour(shaded, old, new)

    assert main_hue(turned) == new
    assert dominant(on_background(turned, (255, 255, 255))) == new


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn_in_its_colour(shape: str) -> None:
    master = draw_shape(shape, "green", 64)

    opaque = master[master[..., 3] == 255][:, :3]
    assert len(opaque) > 200
    assert np.abs(opaque.astype(int) - COLOURS["green"]).max() <= 2
