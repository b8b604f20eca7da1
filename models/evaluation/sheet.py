"""Pictures with their prompts on one sheet. Knows nothing of models."""

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CELL_PX, MARGIN_PX, TEXT_PX, COLUMNS = 192, 8, 44, 6


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]], prompts: Sequence[str], columns: int = COLUMNS
) -> Image.Image:
    """Lay out uint8 pictures `[h, w, 3]`, enlarged without smoothing, the prompt below each."""
    width, height = CELL_PX + 2 * MARGIN_PX, CELL_PX + 2 * MARGIN_PX + TEXT_PX
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = i % columns * width + MARGIN_PX, i // columns * height + MARGIN_PX
        tile = Image.fromarray(picture).resize((CELL_PX, CELL_PX), Image.Resampling.NEAREST)
        sheet.paste(tile, (x, y))
        draw.rectangle((x - 1, y - 1, x + CELL_PX, y + CELL_PX), outline="lightgray")
        text = "\n".join(textwrap.wrap(prompt, 30))
        draw.text((x, y + CELL_PX + 4), text, fill="black", font=font)
    return sheet
