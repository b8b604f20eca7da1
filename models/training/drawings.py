"""Drawn pictures of concepts, from every set: RGBA masters cropped to what is drawn.

Knows the sets' file forms and how to draw them. Knows nothing of captions or backgrounds.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from models.training.concepts import Concept, normal_code
from models.training.packages import Package, fetch, read_files, read_json

MASTER_PX = 288  # drawn larger than any native size of a small model, then reduced


@dataclass(frozen=True)
class DrawingSet:
    """One set of drawings and the words that name its style in captions."""

    package: Package
    style: str


def iconify(name: str, version: str, sha256: str, style: str) -> DrawingSet:
    """A set in Iconify's JSON form."""
    return DrawingSet(Package(f"@iconify-json/{name}", version, sha256), style)


SETS = {
    "fluent-flat": iconify(
        "fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "flat icon",
    ),
    "fluent-3d": DrawingSet(
        Package(
            "@lobehub/fluent-emoji-3d",
            "1.1.0",
            "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        ),
        "3d render",
    ),
    "fluent": iconify(
        "fluent-emoji",
        "1.2.7",
        "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        "glossy icon",
    ),
    "noto": iconify(
        "noto",
        "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        "cartoon",
    ),
    "noto-v1": iconify(
        "noto-v1",
        "1.2.5",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        "blob style",
    ),
    "twemoji": iconify(
        "twemoji",
        "1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        "sticker",
    ),
    "emojione": iconify(
        "emojione",
        "1.2.3",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
        "clip art",
    ),
}


def draw_set(
    drawings: DrawingSet, concepts: list[Concept], cache: Path, pixels: int
) -> Iterator[tuple[Concept, np.ndarray]]:
    """Every concept that the set draws, as uint8 `[pixels, pixels, 4]`."""
    archive = fetch(drawings.package, cache)
    icons = read_json(archive, "icons.json")
    source = (
        from_icons(icons, read_json(archive, "chars.json"), concepts)
        if icons
        else (from_images(archive, concepts))
    )
    for concept, image in source:
        master = crop_and_fit(image, pixels)
        if master is not None:
            yield concept, master


def from_icons(
    icons: dict, chars: dict[str, str], concepts: list[Concept]
) -> Iterator[tuple[Concept, Image.Image]]:
    """Draw the icons that have a concept's code point or, failing that, its name."""
    aliases = icons.get("aliases", {})
    by_code = {normal_code(code): name for code, name in chars.items()}
    for concept in concepts:
        name = by_code.get(concept.code, concept.slug)
        name = aliases.get(name, {}).get("parent", name)
        icon = icons["icons"].get(name)
        if icon:
            width = icon.get("width", icons.get("width", 16))
            height = icon.get("height", icons.get("height", 16))
            yield concept, draw_svg(icon["body"], width, height)


def from_images(archive: Path, concepts: list[Concept]) -> Iterator[tuple[Concept, Image.Image]]:
    """Open the ready pictures that are named by a concept's code points."""
    by_code = {concept.code: concept for concept in concepts}
    for stem, content in read_files(archive, ".webp"):
        concept = by_code.get(normal_code(stem))
        if concept:
            yield concept, Image.open(io.BytesIO(content)).convert("RGBA")


def draw_svg(body: str, width: float, height: float) -> Image.Image:
    """Draw the body of an SVG of this view box."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{MASTER_PX}" height="{MASTER_PX}">{body}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def crop_and_fit(image: Image.Image, pixels: int, margin: float = 0.06) -> np.ndarray | None:
    """Crop to the drawn part and centre it on `[pixels, pixels, 4]`; None if nothing is drawn."""
    box = image.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()
    if box is None:
        return None
    # Premultiplied ("RGBa"), so that no colour of invisible pixels bleeds into the edge.
    drawn = image.crop(box).convert("RGBa")
    scale = pixels * (1 - 2 * margin) / max(drawn.size)
    width, height = (max(1, round(side * scale)) for side in drawn.size)
    drawn = drawn.resize((width, height), Image.Resampling.HAMMING)
    canvas = Image.new("RGBA", (pixels, pixels))
    canvas.paste(drawn.convert("RGBA"), ((pixels - width) // 2, (pixels - height) // 2))
    return np.asarray(canvas)
