"""Everything the U-Net sees, computed once: latents of pictures and embeddings of captions.

Training then pays for the U-Net alone. Knows nothing of noise.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models.autoencoder import encode
from models.text_encoder import TextEncoder
from models.training.autoencoder import to_tensor
from models.training.captions import caption, without_colour
from models.training.colours import COLOURS, HUES, jittered, on_background, recolour
from models.training.data import Record, TrainingSet
from models.training.precision import mixed_precision

WORD = re.compile(r"[a-z]+")
WHITE_CAPTIONS, BACKGROUNDS, RECOLOURED, CAPTIONS_EACH = 6, 5, 2, 2
# Yellow and orange of a darker drawing come out as mud: nobody would call them by that name.
NEW_HUES = tuple(name for name in HUES if name not in ("yellow", "orange"))


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


def variants(master: np.ndarray, record: Record, rng: np.random.Generator) -> list[Variant]:
    """A master on white, on coloured backgrounds and, where it has one main colour, in others."""

    def variant(label: str, drawing: np.ndarray, background: str, count: int) -> Variant:
        pixels = on_background(drawing, jittered(background, rng))
        tags = record.tags if drawing is master else ()
        said = [caption(label, record.style, background, tags, rng) for _ in range(count)]
        return Variant(pixels, said, record.weight * count)

    first = record.label.split(" ")[0]
    colours = [name for name in COLOURS if name not in ("white", first)]
    made = [variant(record.label, master, "white", WHITE_CAPTIONS)] if first != "white" else []
    made += [
        variant(record.label, master, str(background), CAPTIONS_EACH)
        for background in rng.permutation(colours)[:BACKGROUNDS]
    ]
    if record.hue:
        others = [name for name in NEW_HUES if name != record.hue]
        for new in rng.permutation(others)[:RECOLOURED]:
            drawing = recolour(master, record.hue, str(new))
            background = "white" if rng.random() < 0.6 else str(rng.choice(colours))
            label = f"{new} {without_colour(record.label)}"
            made.append(variant(label, drawing, background, CAPTIONS_EACH))
    return made


def captioned_pictures(data: TrainingSet, excluded: frozenset[str], seed: int) -> list[Variant]:
    """All variants of the training split, less every caption that is an evaluation prompt."""
    rng = np.random.default_rng(seed)
    part = data.of_split("train")
    made = []
    for master, record in zip(part.masters, part.records, strict=True):
        for item in variants(master, record, rng):
            said = [text for text in item.captions if text.lower() not in excluded]
            if said:
                made.append(Variant(item.pixels, said, item.weight))
    return made


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, pictures: list[np.ndarray]) -> Tensor:
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
    vae: AutoencoderKL, text_encoder: TextEncoder, made: list[Variant]
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


def focused(pairs: LatentSet, captions: list[str], words: frozenset[str]) -> LatentSet:
    """The same pairs, of which only those are drawn whose caption names one of the words."""
    named = torch.tensor([not words.isdisjoint(WORD.findall(text.lower())) for text in captions])
    return replace(pairs, weight=pairs.weight * named[pairs.text])


def save(latents: LatentSet, path: Path) -> None:
    """Write the pairs to one file."""
    torch.save(vars(latents), path)


def load(path: Path) -> LatentSet:
    """Map the pairs that `save` wrote; the embeddings stay on disk until they are read."""
    return LatentSet(**torch.load(path, mmap=True, weights_only=True))
