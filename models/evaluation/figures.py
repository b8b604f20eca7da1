"""The table: what is asked of a model, and how much of it comes true.

Every stage takes a pipeline and the training set's held-out parts and gives lines to print.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.autoencoder import decode, encode, factor_of
from models.evaluation import held_out, measures, palette
from models.evaluation.denoising import denoising
from models.evaluation.held_out import Question, Wish
from models.evaluation.tower import WEIGHTS, ImageTower, text_vectors
from models.pipeline import LatentDiffusionPipeline, Pixels
from models.text_encoder import TextEncoder
from models.training.autoencoder import to_tensor
from models.training.colours import COLOURS, on_background
from models.training.data import TrainingSet

HELD_OUT_SPLITS = ("concepts", "style")


@dataclass(frozen=True)
class Settings:
    """What of the model's defaults is overruled."""

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Out of the command line."""
        return cls(**{name: getattr(arguments, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Scorer:
    """Pictures and captions in one space."""

    tower: ImageTower
    text_encoder: TextEncoder

    @classmethod
    def trained(cls) -> Self:
        """The committed tower beside the frozen text encoder."""
        return cls(ImageTower.trained(), TextEncoder.pretrained())

    @torch.no_grad()
    def similarity(self, pictures: Sequence[Pixels], captions: Sequence[str]) -> measures.Features:
        """Cosines `[pictures, captions]`."""
        seen = torch.cat([self.tower(part) for part in batches(pictures)])
        said = text_vectors(self.text_encoder, list(captions))
        return (seen @ said.T).double().numpy()

    @torch.no_grad()
    def features(self, pictures: Sequence[Pixels]) -> measures.Features:
        """What distances are measured on."""
        parts = [self.tower.features(part) for part in batches(pictures)]
        return torch.cat(parts).double().numpy()


def batches(pictures: Sequence[Pixels], size: int = 64) -> Iterator[Tensor]:
    """Pictures as tensors in [-1, 1], some at a time."""
    for start in range(0, len(pictures), size):
        yield to_tensor(np.stack(pictures[start : start + size]))


def draw(
    pipeline: LatentDiffusionPipeline, prompts: Sequence[str], settings: Settings
) -> list[Pixels]:
    """One picture a prompt, seeds 0, 1, 2, ..."""
    chosen: dict[str, Any] = asdict(settings)
    return [pipeline(prompt, seed=seed, **chosen) for seed, prompt in enumerate(prompts)]


def autoencoder(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, settings: Settings, count: int | None
) -> Iterator[str]:
    """PSNR and feature distance of pictures there and back, beside an equally small bicubic."""
    vae, scorer = pipeline.family.vae, Scorer.trained() if WEIGHTS.is_dir() else None
    channels = encode(vae, torch.zeros(1, 3, *[pipeline.card.native_size] * 2)).shape[1]
    shrink = factor_of(vae.config) * (3 / channels) ** 0.5
    for split in HELD_OUT_SPLITS:
        real = list(on_background(data.of_split(split).masters[:count], COLOURS["white"]))
        pixels = torch.cat([decode(vae, encode(vae, part)) for part in batches(real)])
        ours = list(((pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
        small = [bicubic(picture, shrink) for picture in real]
        for name, made in (("autoencoder", ours), (f"bicubic 1/{shrink:.1f}", small)):
            decibels = measures.psnr(np.stack(made), np.stack(real))
            apart = scorer and measures.frechet_distance(
                scorer.features(made), scorer.features(real)
            )
            distance = "not measured (no scorer)" if apart is None else f"{apart:.4f}"
            yield f"{split:9} {name:14} PSNR {decibels:.2f} dB, feature distance {distance}"


def bicubic(picture: Pixels, shrink: float) -> Pixels:
    """A picture made smaller and large again: as many numbers as the latents have."""
    side = round(picture.shape[0] / shrink)
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(picture.shape[:2], Image.Resampling.BICUBIC))


def retrieval(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, settings: Settings, count: int | None
) -> Iterator[str]:
    """R@10 of drawn and of real pictures on captions never seen whole, and distances."""
    scorer, number = Scorer.trained(), count or 500
    sets = {"combinations": held_out.unseen_captions(data, number)}
    for split in HELD_OUT_SPLITS:
        sets[split] = held_out.split_captions(data, split, number // 5)
    for name, questions in sets.items():
        yield name + ": " + compare(scorer, questions, drawn_for(pipeline, questions, settings))


def drawn_for(
    pipeline: LatentDiffusionPipeline, questions: Sequence[Question], settings: Settings
) -> list[Pixels]:
    """The model's picture for each caption."""
    return draw(pipeline, [question.caption for question in questions], settings)


def compare(scorer: Scorer, questions: Sequence[Question], drawn: Sequence[Pixels]) -> str:
    """Drawn beside real pictures, one line."""
    captions = [question.caption for question in questions]
    real = [question.picture for question in questions]
    ours, true = (scorer.similarity(pictures, captions) for pictures in (drawn, real))
    r_ours, r_true = measures.recall_at(10, ours), measures.recall_at(10, true)
    apart = measures.frechet_distance(scorer.features(drawn), scorer.features(real))
    s_ours, s_true = (measures.inception_style_score(one) for one in (ours, true))
    return (
        f"{len(captions)} captions, R@10 drawn {r_ours:.3f}, real {r_true:.3f}, "
        f"ratio {r_ours / max(r_true, 1e-9):.2f}; feature distance {apart:.3f}; "
        f"score {s_ours:.2f}, real {s_true:.2f}"
    )


def obedience(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, settings: Settings, count: int | None
) -> Iterator[str]:
    """How often colour, background and number measured in the picture are those asked for."""
    number = count or 200
    asked: dict[str, tuple[list[Wish], Callable[[Pixels], str | int]]] = {
        "colour of the thing": (held_out.colour_wishes(data, number), palette.dominant),
        "colour of the ground": (held_out.ground_wishes(data, number), palette.background),
    }
    for amount in (1, 2, 3):
        wishes = held_out.count_wishes(data, amount, number // 4)
        asked[f"count of {amount}"] = (wishes, palette.count)
    for name, (wishes, measure) in asked.items():
        pictures = draw(pipeline, [wish.prompt for wish in wishes], settings)
        right = [measure(p) == w.expected for p, w in zip(pictures, wishes, strict=True)]
        yield f"{name}: {sum(right)} of {len(right)} right ({np.mean(right):.0%})"


def times(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, settings: Settings, count: int | None
) -> Iterator[str]:
    """Seconds a picture, by steps; medians, in turns."""
    chosen = {"20 steps": Settings(20), "4 steps without guidance": Settings(4, 1.0)}
    spent: Mapping[str, list[float]] = {name: [] for name in chosen}
    for seed in range(count or 15):
        for name, one in chosen.items():
            start = time.perf_counter()
            pipeline("a cat", seed=seed, **asdict(one))
            spent[name].append(time.perf_counter() - start)
    for name, seconds in spent.items():
        yield f"{name}: {statistics.median(seconds):.3f} s, median of {len(seconds)}"


STAGES = {
    "autoencoder": autoencoder,
    "retrieval": retrieval,
    "obedience": obedience,
    "times": times,
    "denoising": lambda pipeline, data, settings, count: denoising(pipeline, data, count),
}
