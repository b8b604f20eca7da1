"""What is asked of both: mixed jobs, out of what the model's card offers, and when they come."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.jobs.spec import GenerationSpec
from models.card import ModelCard

STEPS = (8, 12, 20, 30, 50)
FEW_STEPS = 4  # what latent consistency is for, without guidance
PROMPTS = (
    "a red apple",
    "a blue fish in the sea",
    "a green tree on a hill",
    "a yellow bird",
    "a house at night",
    "a cat on a sofa",
    "a ship in a storm",
    "a bowl of fruit",
)


@dataclass(frozen=True, slots=True)
class Arrival:
    at_s: float
    spec: GenerationSpec


def mixed(card: ModelCard, num_jobs: int, seed: int) -> list[GenerationSpec]:
    """Jobs of unlike prompts, steps, schedulers and guidance, one image of the native size each."""
    chance = random.Random(seed)  # noqa: S311 - repeatable traffic, no secret
    specs: list[GenerationSpec] = []
    for i in range(num_jobs):
        scheduler = chance.choice(card.schedulers)
        steps, guidance = chance.choice(STEPS), chance.choice((1.0, 1.0, 1.5))
        is_short = scheduler == "lcm"
        guided = card.default_guidance_scale * guidance
        specs.append(
            a_job(
                card,
                prompt=PROMPTS[i % len(PROMPTS)],
                num_inference_steps=FEW_STEPS if is_short else steps,
                guidance_scale=1.0 if is_short or i % 4 == 3 else guided,
                scheduler=scheduler,
                seed=i,
            )
        )
    return specs


def a_job(card: ModelCard, **changes: object) -> GenerationSpec:
    """One picture by the card's defaults, but for the changes."""
    wish: dict[str, object] = {
        "prompt": PROMPTS[0],
        "model": "bench",
        "width": card.native_size,
        "height": card.native_size,
        "num_inference_steps": card.default_num_inference_steps,
        "guidance_scale": card.default_guidance_scale,
        "scheduler": card.default_scheduler,
        "seed": 0,
    }
    return GenerationSpec.model_validate(wish | changes)


def burst(specs: Sequence[GenerationSpec]) -> list[Arrival]:
    """All at once."""
    return [Arrival(0.0, spec) for spec in specs]


def poisson(specs: Sequence[GenerationSpec], mean_gap_s: float, seed: int) -> list[Arrival]:
    """One after the other, with exponential gaps."""
    chance = random.Random(seed)  # noqa: S311 - repeatable traffic, no secret
    gaps = [chance.expovariate(1 / mean_gap_s) for _ in specs]
    return [Arrival(at, spec) for at, spec in zip(accumulate(gaps), specs, strict=True)]
