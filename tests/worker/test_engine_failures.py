"""One job's misfortune never ends the batch: faults injected into a real pipeline."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import PoisonedEncoder, Visit, a_spec, assert_close, drive, plain_latents
from worker.engine import Engine, NonFiniteLatents


@pytest.fixture
def pipeline(tiny_checkpoint: Any) -> TinyPipeline:
    """One of its own, since a test damages it."""
    pipeline = TinyPipeline(tiny_checkpoint)
    pipeline.family.text_encoder = PoisonedEncoder(pipeline.family.text_encoder)
    return pipeline


@pytest.fixture
def room_for_four_rows(pipeline: TinyPipeline) -> Iterator[list[int]]:
    """A device that holds four rows of 64 px; yields the rows of every forward pass tried."""
    tried: list[int] = []

    def refuse(_module: object, inputs: tuple[Any, ...]) -> None:
        tried.append(len(inputs[0]))
        if inputs[0].numel() > 4 * 4 * 8 * 8:
            raise torch.OutOfMemoryError("out of memory")

    hook = pipeline.family.denoiser.register_forward_pre_hook(refuse)
    yield tried
    hook.remove()


def test_nan_fails_its_own_job_and_no_other(pipeline: TinyPipeline) -> None:
    bystander = a_spec(scheduler="unipc")
    expected = plain_latents(pipeline, bystander)

    outcome = drive(
        Engine(pipeline, 8), pipeline, [Visit(a_spec(prompt="poison")), Visit(bystander)]
    )

    assert isinstance(outcome.failed["0"], NonFiniteLatents)
    assert outcome.finished == ["1"]
    pixels, strength = outcome.images["1", 0].pixels, bystander.guidance_scale
    assert_close(outcome.latents["1", 0], pixels, pipeline, expected, strength)


def test_a_decoding_error_fails_its_own_job_and_no_other(pipeline: TinyPipeline) -> None:
    calls: list[int] = []

    def fail_first(_module: object, _inputs: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the decoder broke")

    pipeline.family.vae.decoder.register_forward_pre_hook(fail_first)
    later = a_spec(seed=3, num_inference_steps=5)
    outcome = drive(Engine(pipeline, 8), pipeline, [Visit(a_spec(num_images=2)), Visit(later)])

    assert str(outcome.failed["0"]) == "the decoder broke"
    assert outcome.finished == ["1"]


def test_a_scheduler_that_breaks_fails_its_own_job_and_no_other(
    pipeline: TinyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = pipeline.step

    def break_on_pndm(scheduler: Any, *rest: Any) -> torch.Tensor:
        if type(scheduler).__name__ == "PNDMScheduler":
            raise ArithmeticError("lost its history")
        return intact(scheduler, *rest)

    monkeypatch.setattr(pipeline, "step", break_on_pndm)
    engine = Engine(pipeline, 8, exact=True)
    outcome = drive(engine, pipeline, [Visit(a_spec(scheduler="pndm")), Visit(a_spec())])

    assert str(outcome.failed["0"]) == "lost its history"
    assert outcome.finished == ["1"]


def test_out_of_memory_shrinks_the_batch_and_is_remembered(
    pipeline: TinyPipeline, room_for_four_rows: list[int]
) -> None:
    engine = Engine(pipeline, 8)

    outcome = drive(engine, pipeline, [Visit(a_spec(num_images=8, num_inference_steps=2))])

    assert outcome.finished == ["0"]
    assert room_for_four_rows == [16, 8] + [4] * 8
    assert engine.stats.out_of_memory == 2
    assert len(outcome.images) == 8


def test_a_shrunken_batch_changes_no_picture(
    pipeline: TinyPipeline, room_for_four_rows: list[int]
) -> None:
    spec = a_spec(num_images=4, scheduler="dpmpp_2m_sde")

    outcome = drive(Engine(pipeline, 8), pipeline, [Visit(spec)])

    assert 8 in room_for_four_rows
    for index in range(4):
        expected = plain_latents(pipeline, spec, index)
        key = ("0", index)
        pixels, strength = outcome.images[key].pixels, spec.guidance_scale
        assert_close(outcome.latents[key], pixels, pipeline, expected, strength)


def test_a_size_that_never_fits_fails_its_own_job_and_no_other(
    pipeline: TinyPipeline, room_for_four_rows: list[int]
) -> None:
    huge = a_spec(width=128, height=128)

    outcome = drive(Engine(pipeline, 2), pipeline, [Visit(huge), Visit(a_spec())])

    assert isinstance(outcome.failed["0"], torch.OutOfMemoryError)
    assert outcome.finished == ["1"]


def test_what_breaks_the_forward_pass_itself_is_not_blamed_on_a_job(
    pipeline: TinyPipeline,
) -> None:
    def break_down(_module: object, _inputs: object) -> None:
        raise RuntimeError("unspecified launch failure")

    pipeline.family.denoiser.register_forward_pre_hook(break_down)
    engine = Engine(pipeline, 8)
    engine.admit("job", a_spec())

    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        engine.step()
