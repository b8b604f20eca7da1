"""Everything the U-Net sees, computed once: latents of pictures and embeddings of captions.

Training then pays for the U-Net alone. Knows nothing of noise.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.autoencoder import Autoencoder, encode
from models.text_encoder import TextEncoder
from models.training.autoencoder import to_tensor
from models.training.captions import NUMBERS, Words, caption, several, together, without_colour
from models.training.colours import COLOURS, HUES, jittered, on_background, recolour
from models.training.concepts import everyday_names
from models.training.data import Record, TrainingSet
from models.training.precision import mixed_precision
from models.training.scenes import lay_out

# Captions on white, coloured backgrounds, recoloured drawings, captions of each of these.
Share = tuple[int, int, int, int]
EVERYDAY: Share = (6, 8, 5, 2)
OTHERS: Share = (4, 3, 2, 1)
OTHERS_WEIGHT = 0.35  # what few people ask for is seen now and then
STYLE_WEIGHTS = {"3d render": 0.35, "cartoon": 0.25, "sticker": 0.25}
SCENE_WEIGHT, PAIRS_EACH = 0.6, 2
HELD_OUT_ONE_IN = 20  # combinations of a thing and a background that training never sees


@dataclass(frozen=True)
class Variant:
    """One picture made from a master, uint8 `[h, w, 3]`, and what may be said of it."""

    pixels: np.ndarray
    captions: list[str]
    weight: float


@dataclass(frozen=True)
class LatentSet:
    """Pairs to train on. Row i is `latents[picture[i]]` with `embeddings[text[i]]`."""

    latents: Tensor
    embeddings: Tensor
    empty: Tensor
    picture: Tensor
    text: Tensor
    weight: Tensor


def words_of(record: Record) -> Words:
    """What may be said of a master."""
    names = everyday_names().get(record.label, (record.label,))
    return Words(names, record.style, record.tags, record.hue)


def is_held_out(label: str, style: str, background: str) -> bool:
    """Whether this combination is kept for evaluation: captions that were never seen whole."""
    if background == "white":
        return False
    digest = hashlib.sha256(f"{label}|{style}|{background}".encode()).digest()
    return digest[0] % HELD_OUT_ONE_IN == 0


def variants(master: np.ndarray, record: Record, rng: np.random.Generator) -> list[Variant]:
    """A master on white, on coloured backgrounds and, where it has one main colour, in others."""
    is_everyday = record.label in everyday_names()
    on_white, on_colours, recoloured, each = EVERYDAY if is_everyday else OTHERS
    weight = record.weight if is_everyday else record.weight * OTHERS_WEIGHT
    weight *= STYLE_WEIGHTS.get(record.style, 1.0)
    words = words_of(record)

    def variant(words: Words, drawing: np.ndarray, background: str, count: int) -> Variant:
        pixels = on_background(drawing, jittered(background, rng))
        said = [caption(words, background, rng) for _ in range(count)]
        return Variant(pixels, said, weight * count)

    first = record.label.split(" ")[0]
    colours = [name for name in COLOURS if name not in ("white", first)]
    colours = [c for c in colours if not is_held_out(record.label, record.style, c)]
    made = [variant(words, master, "white", on_white)] if first != "white" else []
    made += [
        variant(words, master, str(background), each)
        for background in rng.permutation(colours)[:on_colours]
    ]
    if record.hue:
        others = [name for name in HUES if name != record.hue]
        for new in rng.permutation(others)[:recoloured]:
            drawing = recolour(master, record.hue, str(new))
            fit = [colour for colour in colours if colour != new]
            background = "white" if rng.random() < 0.6 else str(rng.choice(fit))
            names = tuple(f"{new} {without_colour(name)}" for name in words.names)
            made.append(variant(Words(names, record.style), drawing, background, each))
    return made


def scenes(data: TrainingSet, rng: np.random.Generator) -> Iterator[Variant]:
    """Two and three of a thing, and two things beside each other: everyday ones, drawn flat."""
    chosen = [
        (master, words_of(record))
        for master, record in zip(data.masters, data.records, strict=True)
        if record.style == "flat icon" and record.label in everyday_names()
    ]
    for master, words in chosen:
        for count in NUMBERS:
            background = str(rng.choice(list(COLOURS)))
            said = several(words, count, background, rng)
            if said:
                drawing = lay_out([master] * count, rng)
                yield scene(drawing, background, said, rng)
        for row in rng.integers(0, len(chosen), PAIRS_EACH):
            other, others = chosen[row]
            background = str(rng.choice(list(COLOURS)))
            said = together(words, others, background, rng)
            yield scene(lay_out([master, other], rng), background, said, rng)


def scene(drawing: np.ndarray, background: str, said: str, rng: np.random.Generator) -> Variant:
    """A laid-out drawing with its one caption."""
    pixels = on_background(drawing, jittered(background, rng))
    return Variant(pixels, [said], SCENE_WEIGHT)


def captioned_pictures(data: TrainingSet, excluded: frozenset[str], seed: int) -> list[Variant]:
    """All variants of the training split, less every caption that is an evaluation prompt."""
    rng = np.random.default_rng(seed)
    part = data.of_split("train")
    single = (
        item
        for master, record in zip(part.masters, part.records, strict=True)
        for item in variants(master, record, rng)
    )
    made = []
    for item in chain(single, scenes(part, rng)):
        said = [text for text in item.captions if text.lower() not in excluded]
        if said:
            made.append(Variant(item.pixels, said, item.weight))
    return made


@torch.no_grad()
def encode_pictures(vae: Autoencoder, pictures: list[np.ndarray]) -> Tensor:
    """Scaled latents of pictures, float16."""
    encoded = []
    for start in range(0, len(pictures), 256):
        pixels = to_tensor(np.stack(pictures[start : start + 256])).to(vae.device)
        with mixed_precision(vae.device):
            encoded.append(encode(vae, pixels).half().cpu())
    return torch.cat(encoded)


def encode_captions(text_encoder: TextEncoder, captions: list[str]) -> Tensor:
    """Token states of captions, float16 `[n, max_length, width]`."""
    order = sorted(range(len(captions)), key=lambda i: len(captions[i]))
    states = torch.zeros(len(captions), text_encoder.max_length, text_encoder.width).half()
    device = text_encoder.model.device
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        with mixed_precision(device):
            part = text_encoder.encode_batch([captions[i] for i in rows])
        states[rows, : part.shape[1]] = part.half().cpu()
    return states


def build(
    vae: Autoencoder, text_encoder: TextEncoder, made: list[Variant]
) -> tuple[LatentSet, list[str]]:
    """Encode variants into pairs; also the captions, in the order of their embeddings."""
    captions = sorted({text for item in made for text in item.captions})
    index = {text: i for i, text in enumerate(captions)}
    pairs = [
        (i, index[text], item.weight / len(item.captions))
        for i, item in enumerate(made)
        for text in item.captions
    ]
    picture, text, weight = (torch.tensor(column) for column in zip(*pairs, strict=True))
    with ThreadPoolExecutor(2) as pool:  # the two networks have nothing to wait for
        latents = pool.submit(encode_pictures, vae, [item.pixels for item in made])
        embeddings = pool.submit(encode_captions, text_encoder, captions)
        empty = text_encoder([""])[0].half().cpu()
        return LatentSet(
            latents.result(), embeddings.result(), empty, picture, text, weight
        ), captions


def save(latents: LatentSet, path: Path) -> None:
    """Write the pairs to one file."""
    torch.save(vars(latents), path)


def load(path: Path) -> LatentSet:
    """Map the pairs that `save` wrote; the embeddings stay on disk until they are read."""
    return LatentSet(**torch.load(path, mmap=True, weights_only=True))
