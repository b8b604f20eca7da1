import numpy as np

from models.evaluation.sheet import CELL_PX, MARGIN_PX, contact_sheet


def test_pictures_stand_in_reading_order() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((8, 8, 3), colour, np.uint8) for colour in colours]

    sheet = contact_sheet(pictures, ["red", "green", "blue"], columns=2)

    middle = MARGIN_PX + CELL_PX // 2
    right, below = CELL_PX + 2 * MARGIN_PX, sheet.height // 2
    corners = [(middle, middle), (middle + right, middle), (middle, middle + below)]
    assert [sheet.getpixel(corner) for corner in corners] == colours
