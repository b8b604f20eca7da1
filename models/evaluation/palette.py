"""Colours measured from pixels, by the names that captions use.

Pixels in, words out. Knows nothing of models.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.training.colours import COLOURS, to_hsv

Pixels = NDArray[np.uint8]
BORDER_PX = 6
FOREGROUND = 48  # levels of 255 by which a thing stands out from its background
SMALLEST_PART = 0.004  # of the picture: less is dirt, not a thing
HUE_ENDS = (0.035, 0.115, 0.18, 0.45, 0.70, 0.82, 0.94, 1.0)
HUE_NAMES = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")


def background_rgb(picture: Pixels) -> NDArray[np.float64]:
    """The median colour of the border of `[h, w, 3]`."""
    edge = BORDER_PX
    parts = (picture[:edge], picture[-edge:], picture[:, :edge], picture[:, -edge:])
    return np.median(np.concatenate([part.reshape(-1, 3) for part in parts]), axis=0)


def background(picture: Pixels) -> str:
    """The name of the background's colour."""
    return nearest(background_rgb(picture))


def foreground(picture: Pixels) -> NDArray[np.bool_]:
    """Where something stands out from the background: `[h, w]`."""
    distance = np.abs(picture.astype(float) - background_rgb(picture)).max(axis=2)
    return distance > FOREGROUND


def dominant(picture: Pixels) -> str:
    """The colour name that most of the thing's coloured pixels have."""
    thing = picture[foreground(picture)]
    if not len(thing):
        return background(picture)
    names, counts = np.unique(
        [by_hue(rgb) for rgb in thing[:: max(1, len(thing) // 800)]], return_counts=True
    )
    return str(names[counts.argmax()])


def by_hue(rgb: NDArray[np.uint8]) -> str:
    """A name for one colour: black, white and gray by light, the others by hue."""
    hue, saturation, value = (float(part) for part in to_hsv(rgb))
    if value < 0.22:
        return "black"
    if saturation < 0.16:
        return "white" if value > 0.85 else "gray"
    name = HUE_NAMES[int(np.searchsorted(HUE_ENDS, hue))]
    if name in ("orange", "red") and value < 0.62:
        return "brown"
    return "pink" if name == "red" and saturation < 0.5 and value > 0.8 else name


def nearest(rgb: NDArray[np.float64]) -> str:
    """The named background colour that is nearest."""
    names = list(COLOURS)
    distances = [float(np.abs(rgb - np.asarray(COLOURS[name])).sum()) for name in names]
    return names[int(np.argmin(distances))]


def count(picture: Pixels) -> int:
    """How many separate things stand out."""
    labels, found = ndimage.label(ndimage.binary_closing(foreground(picture), iterations=2))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, found + 1))
    return int((np.asarray(sizes) > SMALLEST_PART * labels.size).sum())
