import numpy as np
import pytest
from PIL import Image

from models.training.concepts import Concept
from models.training.drawings import crop_and_fit, draw_svg, from_icons

CAT = Concept("1f431", "cat face", ("pet",), 1.0)
RED_SQUARE = '<path fill="#f00" d="M2 2h4v4H2z"/>'


def test_svg_body_is_drawn_in_its_view_box() -> None:
    image = draw_svg(RED_SQUARE, 8, 8)

    assert image.getpixel((72, 72)) == (255, 0, 0, 255)
    assert image.getpixel((4, 4))[3] == 0


def test_drawing_is_centred_and_fills_the_picture_but_for_a_margin() -> None:
    image = Image.new("RGBA", (200, 100))
    image.paste((0, 0, 255, 255), (10, 20, 60, 45))

    master = crop_and_fit(image, 64)

    assert master is not None
    rows, columns = np.nonzero(master[..., 3] > 128)
    assert (columns.min(), columns.max()) == (4, 59)
    assert rows.min() + rows.max() == pytest.approx(63, abs=1)


def test_edges_take_no_colour_from_invisible_pixels() -> None:
    image = Image.new("RGBA", (101, 101), (255, 255, 255, 0))
    image.paste((200, 0, 0, 255), (20, 20, 81, 81))

    master = crop_and_fit(image, 64)

    assert master is not None
    assert master[master[..., 3] > 8][:, 1:3].max() < 30


def test_a_picture_of_nothing_is_left_out() -> None:
    assert crop_and_fit(Image.new("RGBA", (32, 32)), 64) is None


@pytest.mark.parametrize(
    ("chars", "name"), [({"1F431": "kitty"}, "kitty"), ({}, "cat-face")], ids=["code", "name"]
)
def test_icons_are_found_by_code_point_or_by_name(chars: dict[str, str], name: str) -> None:
    icons = {"icons": {name: {"body": RED_SQUARE}}, "width": 8, "height": 8}

    found = list(from_icons(icons, chars, [CAT]))

    assert [concept for concept, _ in found] == [CAT]


def test_aliases_lead_to_the_icon_they_stand_for() -> None:
    icons = {"icons": {"cat": {"body": RED_SQUARE}}, "aliases": {"cat-face": {"parent": "cat"}}}

    assert len(list(from_icons(icons, {}, [CAT]))) == 1
