"""The models that come with the package: whole, small, and the same picture for the same seed."""

import numpy as np
import pytest

from models import checkpoint
from models.evaluation.tower import WEIGHTS
from models.pipeline import LatentDiffusionPipeline
from models.schedulers import supported
from models.source import BUILT_IN, NAMED, locate

MOST_BYTES = 150_000_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "steps", "guidance"), [("built-in", 20, 4), ("built-in-fast", 4, 1)]
)
def test_a_seed_means_one_picture_in_any_run(name: str, steps: int, guidance: float) -> None:
    first, second = (LatentDiffusionPipeline.from_checkpoint(locate(name)) for _ in range(2))
    card = first.card

    assert (card.default_num_inference_steps, card.default_guidance_scale) == (steps, guidance)
    one, same, other = first("a red apple"), second("a red apple"), first("a red apple", seed=1)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_card_lists_the_schedulers_that_sample_rightly() -> None:
    components = checkpoint.load(BUILT_IN)

    assert list(components.card.schedulers) == supported(components.scheduler_config)


def test_what_is_committed_is_small() -> None:
    files = [
        file
        for folder in (*NAMED.values(), WEIGHTS)
        for file in folder.rglob("*")
        if file.is_file()
    ]

    assert 0 < sum(file.stat().st_size for file in files) < MOST_BYTES
