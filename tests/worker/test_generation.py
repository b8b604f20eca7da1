import pytest
import torch

from models.families import Row
from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec, plain_latents
from worker.claim import Claim
from worker.generation import Generation


def begin(
    pipeline: TinyPipeline, index: int = 0, *, by_table: bool = True, **changes: object
) -> Generation:
    spec = a_spec(**changes)
    conditions = pipeline.conditions(spec.prompt, "", spec.guidance_scale, spec.height, spec.width)
    return Generation(pipeline, "job", index, spec, conditions, Claim(0.0), by_table=by_table)


@pytest.mark.parametrize("scheduler", ["ddpm", "euler_ancestral", "unipc"])
def test_advanced_alone_by_its_object_it_ends_where_the_plain_loop_does(
    pipeline: TinyPipeline, scheduler: str
) -> None:
    generation = begin(pipeline, scheduler=scheduler, by_table=False)

    with torch.inference_mode():
        while not generation.is_done:
            rows = [Row(generation.model_input(), torch.tensor(generation.timestep), one)
                    for one in generation.conditions]  # fmt: skip
            negative, positive = pipeline.predict_noise(rows).chunk(2)
            generation.step(negative + generation.guidance_scale * (positive - negative))

    assert torch.equal(generation.latents, plain_latents(pipeline, a_spec(scheduler=scheduler)))


def test_image_k_is_drawn_from_seed_plus_k(pipeline: TinyPipeline) -> None:
    third, same = begin(pipeline, index=2, seed=5), begin(pipeline, seed=7)

    assert third.seed == 7
    assert torch.equal(third.latents, same.latents)


def test_its_work_is_its_jobs_until_it_is_done(pipeline: TinyPipeline) -> None:
    generation = begin(pipeline, num_inference_steps=3, width=128)

    assert generation.claim.work_left == 3 * 2 * 2
    generation.count()
    assert (generation.step_index, generation.claim.work_left) == (1, 2 * 2 * 2)


def test_equal_sizes_share_a_batch_key(pipeline: TinyPipeline) -> None:
    square, tall = begin(pipeline), begin(pipeline, height=96)

    assert square.batch_key == begin(pipeline, scheduler="lcm", guidance_scale=1.0).batch_key
    assert square.batch_key != tall.batch_key
