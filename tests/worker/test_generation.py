import pytest
import torch

from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec, plain_latents
from worker.claim import Claim
from worker.generation import Generation


def begin(pipeline: TinyPipeline, index: int = 0, **changes: object) -> Generation:
    spec = a_spec(**changes)
    conditions = pipeline.conditions(spec.prompt, "", spec.guidance_scale, spec.height, spec.width)
    return Generation(pipeline, "job", index, spec, conditions, Claim(0.0))


@pytest.mark.parametrize("scheduler", ["ddpm", "euler_ancestral", "unipc"])
def test_advanced_alone_it_ends_where_the_plain_loop_does(
    pipeline: TinyPipeline, scheduler: str
) -> None:
    generation = begin(pipeline, scheduler=scheduler)

    with torch.inference_mode():
        while not generation.is_done:
            generation.advance(list(pipeline.predict_noise(generation.rows()).split(1)))

    assert torch.equal(generation.latents, plain_latents(pipeline, a_spec(scheduler=scheduler)))


def test_image_k_is_drawn_from_seed_plus_k(pipeline: TinyPipeline) -> None:
    third, same = begin(pipeline, index=2, seed=5), begin(pipeline, seed=7)

    assert third.seed == 7
    assert torch.equal(third.latents, same.latents)


def test_reading_the_rows_twice_changes_nothing(pipeline: TinyPipeline) -> None:
    generation = begin(pipeline, scheduler="euler")

    first, second = generation.rows(), generation.rows()

    assert torch.equal(first[0].latents, second[0].latents)
    assert generation.step_index == 0


def test_equal_sizes_share_a_batch_key(pipeline: TinyPipeline) -> None:
    square, tall = begin(pipeline), begin(pipeline, height=96)

    assert square.batch_key == begin(pipeline, scheduler="lcm", guidance_scale=1.0).batch_key
    assert square.batch_key != tall.batch_key
