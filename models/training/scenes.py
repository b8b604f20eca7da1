"""Pictures of more than one thing, laid out from single drawings: counting and binding for free.

Drawings in, drawings out; every random choice comes from the generator that is passed in.
"""

import numpy as np
from PIL import Image

# Centres in parts of the side, and how large each thing is: what two and three look like.
LAYOUTS = {
    2: (((0.28, 0.5), (0.72, 0.5)), 0.46),
    3: (((0.5, 0.27), (0.27, 0.72), (0.73, 0.72)), 0.4),
}


def lay_out(masters: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Two or three RGBA drawings `[s, s, 4]` on one canvas of their size, a little jittered."""
    centres, size = LAYOUTS[len(masters)]
    pixels = masters[0].shape[0]
    canvas = Image.new("RGBA", (pixels, pixels))
    for master, centre in zip(masters, centres, strict=True):
        side = round(pixels * size * rng.uniform(0.92, 1.08))
        small = Image.fromarray(master).convert("RGBa").resize((side, side), Image.Resampling.BOX)
        corner = [round(pixels * (at + rng.uniform(-0.02, 0.02)) - side / 2) for at in centre]
        thing = small.convert("RGBA")
        canvas.paste(thing, (corner[0], corner[1]), thing)
    return np.asarray(canvas)
