"""Colours by name: backgrounds, plain shapes and drawings whose main colour is changed.

Pictures in, pictures out; every random choice comes from the generator that is passed in.
"""

import math

import numpy as np

from models.training.drawings import crop_and_fit, draw_svg

COLOURS = {
    "white": (255, 255, 255),
    "red": (222, 46, 52),
    "orange": (246, 145, 40),
    "yellow": (252, 216, 60),
    "green": (78, 172, 72),
    "blue": (48, 108, 214),
    "light blue": (160, 210, 245),
    "purple": (140, 82, 190),
    "pink": (246, 150, 186),
    "brown": (136, 88, 56),
    "gray": (150, 154, 160),
    "black": (28, 28, 32),
}
# Hue in turns of the colours that a drawing can be turned to.
HUES = {"red": 0.99, "orange": 0.08, "yellow": 0.14, "green": 0.33, "blue": 0.6, "purple": 0.77}
HUE_REACH = 0.06
# What these names mean to people is bright, full and a narrow band of hues: else they are brown,
# pink and olive. Value and saturation of the middle of a drawing, and how much of its spread stays.
BRIGHT = {"red": 0.85, "orange": 0.93, "yellow": 0.97}
BRIGHT_SATURATION, BRIGHT_SPREAD = 0.75, 0.4
BROWN_BELOW = 0.65  # the value at which orange becomes brown


def on_background(master: np.ndarray, rgb: np.ndarray | tuple[int, int, int]) -> np.ndarray:
    """Lay RGBA `[..., 4]` on one colour: uint8 `[..., 3]`."""
    alpha = master[..., 3:].astype(np.float32) / 255
    mixed = master[..., :3] * alpha + np.asarray(rgb, np.float32) * (1 - alpha)
    return mixed.round().astype(np.uint8)


def jittered(name: str, rng: np.random.Generator, amount: int = 10) -> np.ndarray:
    """A shade close to the named colour; white stays white."""
    rgb = np.asarray(COLOURS[name])
    shift = 0 if name == "white" else rng.integers(-amount, amount + 1, 3)
    return np.clip(rgb + shift, 0, 255)


def main_hue(master: np.ndarray) -> str | None:
    """The colour of a drawing that has clearly one, of `HUES` or brown, else None.

    Clearly: three quarters of all coloured pixels lie within 0.06 turns of it, and at least a
    third of the drawing is coloured. Of neighbours that both fit, the one nearer in the middle.
    """
    hue, saturation, value = to_hsv(master[..., :3])
    coloured = is_coloured(master, saturation, value)
    if coloured.sum() < max(1, is_drawn(master).sum()) / 3:
        return None
    distances = {name: np.abs(turned(hue[coloured], -centre)) for name, centre in HUES.items()}
    fitting = [name for name, far in distances.items() if (far < HUE_REACH).mean() > 0.75]
    nearest = min(fitting, key=lambda name: float(np.median(distances[name])), default=None)
    is_dark = float(np.median(value[coloured])) < BROWN_BELOW
    return "brown" if nearest == "orange" and is_dark else nearest


def recolour(master: np.ndarray, old: str, new: str) -> np.ndarray:
    """Turn the hues of a drawing so that its main colour `old` becomes `new`, one of `HUES`.

    It also becomes as bright and as full as that name demands.
    """
    hue, saturation, value = to_hsv(master[..., :3])
    spread = turned(hue, -HUES["orange" if old == "brown" else old])
    coloured = is_coloured(master, saturation, value)
    if new in BRIGHT and coloured.any():
        near = np.abs(spread) < 2 * HUE_REACH
        spread = np.where(near, BRIGHT_SPREAD * spread, spread)
        value = lifted(value, coloured, BRIGHT[new])
        saturation = lifted(saturation, coloured, BRIGHT_SATURATION)
    rgb = from_hsv((HUES[new] + spread) % 1, saturation, value)
    return np.concatenate([rgb, master[..., 3:]], axis=-1)


def is_drawn(master: np.ndarray) -> np.ndarray:
    """Where a drawing covers what is behind it."""
    return master[..., 3] > 128


def is_coloured(master: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Where a drawing has a hue that anyone would see."""
    return is_drawn(master) & (saturation > 0.35) & (value > 0.25)


def lifted(amount: np.ndarray, where: np.ndarray, least: float) -> np.ndarray:
    """Scaled, up to 1, so that the median there comes to lie at `least` if it lay below."""
    return np.minimum(1, amount * max(1, least / float(np.median(amount[where]))))


def turned(hue: np.ndarray, by: float) -> np.ndarray:
    """Hues turned on, in [-0.5, 0.5) turns."""
    return (hue + by + 0.5) % 1 - 0.5


def to_hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue, saturation and value in [0, 1] of uint8 `[..., 3]`."""
    r, g, b = np.moveaxis(rgb.astype(np.float32) / 255, -1, 0)
    value = np.maximum(np.maximum(r, g), b)
    chroma = value - np.minimum(np.minimum(r, g), b)
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.select(
        [value == r, value == g], [(g - b) / safe % 6, (b - r) / safe + 2], (r - g) / safe + 4
    )
    return hue / 6 % 1, chroma / np.where(value == 0, 1, value), value


def from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """uint8 `[..., 3]` of hue, saturation and value in [0, 1]."""
    channels = []
    for offset in (5, 3, 1):
        k = (offset + hue * 6) % 6
        channels.append(value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1))
    return (np.stack(channels, -1) * 255).round().astype(np.uint8)


def polygon(corners: int, inner: float = 1.0, turn: float = 0.0) -> str:
    """SVG points of a regular polygon, or of a star where `inner` is less than 1."""
    count = corners if inner == 1.0 else 2 * corners
    points = []
    for i in range(count):
        radius = 48 * (inner if i % 2 and inner != 1.0 else 1)
        angle = 2 * math.pi * (i / count + turn) - math.pi / 2
        points.append(f"{50 + radius * math.cos(angle):.1f},{50 + radius * math.sin(angle):.1f}")
    return f'<polygon points="{" ".join(points)}"/>'


SHAPES = {
    "circle": '<circle cx="50" cy="50" r="48"/>',
    "ring": '<circle cx="50" cy="50" r="38" fill="none" stroke="currentColor" stroke-width="20"/>',
    "oval": '<ellipse cx="50" cy="50" rx="48" ry="30"/>',
    "square": polygon(4, turn=0.125),
    "diamond": polygon(4),
    "triangle": polygon(3),
    "pentagon": polygon(5),
    "hexagon": polygon(6),
    "star": polygon(5, inner=0.45),
    "cross": '<path d="M36 2h28v34h34v28H64v34H36V64H2V36h34z"/>',
    "heart": '<path d="M50 92Q4 54 4 30A23 23 0 0 1 50 24 23 23 0 0 1 96 30Q96 54 50 92z"/>',
    "crescent": '<path d="M70 6A46 46 0 1 0 94 70 38 38 0 1 1 70 6z"/>',
}


def draw_shape(shape: str, colour: str, pixels: int) -> np.ndarray:
    """A plain shape in one colour, uint8 `[pixels, pixels, 4]`."""
    fill = "#{:02x}{:02x}{:02x}".format(*COLOURS[colour])
    image = draw_svg(f'<g fill="{fill}" color="{fill}">{SHAPES[shape]}</g>', 100, 100)
    master = crop_and_fit(image, pixels)
    if master is None:
        raise ValueError(f"{shape} draws nothing")
    return master
