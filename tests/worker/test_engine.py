from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.jobs.spec import MAX_SEED, GenerationSpec
from models.schedulers import SCHEDULERS
from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import Outcome, Visit, a_spec, assert_close, drive, one_step, plain_latents
from worker.cost import CostCurve
from worker.engine import Engine, Report

LAW = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

specs = st.builds(
    a_spec,
    prompt=st.sampled_from(["a red fox", "a glass teapot", "fog over a lake at dawn"]),
    negative_prompt=st.sampled_from(["", "blurry"]),
    width=st.sampled_from([64, 64, 64, 80]),
    height=st.sampled_from([64, 64, 64, 96]),
    num_images=st.integers(1, 3),
    num_inference_steps=st.integers(1, 9),
    guidance_scale=st.sampled_from([0.0, 1.0, 1.5, 4.0, 7.5]),
    scheduler=st.sampled_from(list(SCHEDULERS)),
    seed=st.integers(0, MAX_SEED),
)
visits = st.builds(
    Visit, spec=specs, joins=st.integers(0, 9), canceled=st.none() | st.none() | st.integers(1, 15)
)


def servable(pipeline: TinyPipeline, spec: GenerationSpec) -> GenerationSpec:
    """The same wish by a scheduler that this model has."""
    known = spec.scheduler in pipeline.card.schedulers
    return spec if known else spec.model_copy(update={"scheduler": "ddim"})


# One step from an infinite sigma: where rounding has the most to amplify.
one_step_jobs = [
    Visit(a_spec(scheduler=name, num_inference_steps=1, guidance_scale=7.5, num_images=3))
    for name in ("euler", "euler_ancestral", "pndm")
]


@pytest.mark.timeout(120)
@given(crowd=st.lists(visits, min_size=1, max_size=6), max_batch_size=st.integers(1, 8))
@example(crowd=one_step_jobs, max_batch_size=8)
@settings(LAW, max_examples=25)
def test_an_image_does_not_depend_on_its_batch_mates(
    either_pipeline: TinyPipeline, crowd: list[Visit], max_batch_size: int
) -> None:
    pipeline = either_pipeline
    crowd = [Visit(servable(pipeline, v.spec), v.joins, v.canceled) for v in crowd]
    engine = Engine(pipeline, max_batch_size)

    outcome = drive(engine, pipeline, crowd)

    assert not outcome.failed
    assert engine.stats.most_rows <= 2 * max_batch_size
    for job_id, visit in enumerate(crowd):
        images = {key: i for key, i in outcome.images.items() if key[0] == str(job_id)}
        finished = str(job_id) in outcome.finished
        assert finished == (len(images) == visit.spec.num_images)
        assert finished or visit.canceled is not None
        for key, image in images.items():
            assert image.seed == visit.spec.seed + image.index
            expected = plain_latents(pipeline, visit.spec, image.index)
            strength = visit.spec.guidance_scale
            assert_close(outcome.latents[key], image.pixels, pipeline, expected, strength)


@pytest.mark.timeout(60)
@given(spec=specs)
@settings(LAW, max_examples=30)
def test_alone_in_an_exact_engine_an_image_is_the_plain_pipelines_bit_for_bit(
    either_pipeline: TinyPipeline, spec: GenerationSpec
) -> None:
    pipeline = either_pipeline
    spec = servable(pipeline, spec).model_copy(update={"num_images": 1})

    outcome = drive(Engine(pipeline, 8, exact=True), pipeline, [Visit(spec)])

    expected = plain_latents(pipeline, spec)
    assert torch.equal(outcome.latents["0", 0], expected)
    assert np.array_equal(outcome.images["0", 0].pixels, pipeline.decode_latents(expected))


@pytest.mark.timeout(60)
def test_sixteen_jobs_share_forward_passes_at_unlike_timesteps(pipeline: TinyPipeline) -> None:
    seen: list[set[float]] = []

    def look(_module: object, inputs: tuple[Any, ...]) -> None:
        seen.append(set(inputs[1].tolist()))

    names = pipeline.card.schedulers
    jobs = [
        a_spec(num_inference_steps=8 + 32 * i // 15, scheduler=names[i % len(names)], seed=i)
        for i in range(16)
    ]
    alone = sum(len(pipeline.make_scheduler(s.scheduler, s.num_inference_steps, 64, 64).timesteps)
                for s in jobs)  # fmt: skip
    engine = Engine(pipeline, 8)
    hook = pipeline.family.denoiser.register_forward_pre_hook(look)

    outcome = drive(engine, pipeline, [Visit(spec) for spec in jobs])

    hook.remove()
    assert len(outcome.finished) == 16
    assert max(len(timesteps) for timesteps in seen) >= 2
    assert engine.stats.most_distinct_timesteps == max(len(timesteps) for timesteps in seen)
    assert engine.stats.forwards == len(seen) < alone / 4


def test_jobs_join_and_leave_between_any_two_steps(pipeline: TinyPipeline) -> None:
    long, short = a_spec(num_inference_steps=9), a_spec(num_inference_steps=2, scheduler="euler")

    outcome = drive(Engine(pipeline, 8), pipeline, [Visit(long), Visit(short, joins=3)])

    assert outcome.finished == ["1", "0"]
    assert len(outcome.progress["0"]) == 9


def test_no_more_than_the_batch_size_run_and_the_rest_wait(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 2)

    outcome = drive(engine, pipeline, [Visit(a_spec(num_images=3)), Visit(a_spec(), joins=1)])

    assert engine.stats.most_rows == 4
    assert outcome.finished == ["1", "0"]


def test_a_new_job_is_in_the_next_pass_though_longer_ones_fill_the_engine(
    pipeline: TinyPipeline,
) -> None:
    engine, outcome = Engine(pipeline, 2), Outcome()
    for name in ("a", "b", "c"):
        engine.admit(name, a_spec(num_inference_steps=9))
    one_step(engine, pipeline, outcome)

    engine.admit("new", a_spec(num_inference_steps=2))
    one_step(engine, pipeline, outcome)
    one_step(engine, pipeline, outcome)

    assert [progress.step for progress in outcome.progress["new"]] == [1, 2]
    assert outcome.finished == ["new"]


def test_a_cancel_frees_its_rows_for_the_very_next_pass(pipeline: TinyPipeline) -> None:
    engine, outcome = Engine(pipeline, 1), Outcome()
    engine.admit("gone", a_spec())
    engine.admit("next", a_spec(num_inference_steps=9))
    one_step(engine, pipeline, outcome)

    engine.cancel("gone")
    one_step(engine, pipeline, outcome)

    assert len(outcome.progress["gone"]) == len(outcome.progress["next"]) == 1


def test_images_of_one_job_are_rows_of_their_own_and_end_apart(pipeline: TinyPipeline) -> None:
    engine, outcome = Engine(pipeline, 2), Outcome()
    engine.admit("job", a_spec(num_images=3, num_inference_steps=2))

    for _ in range(3):
        one_step(engine, pipeline, outcome)

    assert sorted(outcome.images) == [("job", 0), ("job", 1)]
    assert outcome.finished == []


def test_a_deadline_that_is_near_goes_before_shorter_work(pipeline: TinyPipeline) -> None:
    engine, outcome = Engine(pipeline, 1, CostCurve({1: 1.0})), Outcome()
    engine.admit("short", a_spec(num_inference_steps=2))
    engine.admit("urgent", a_spec(num_inference_steps=8), time_left_s=8 * 2 + 0.5)

    one_step(engine, pipeline, outcome)

    assert list(outcome.progress) == ["urgent"]


def test_unlike_sizes_take_turns(pipeline: TinyPipeline) -> None:
    wide = [Visit(a_spec(width=128, seed=i)) for i in range(3)]

    outcome = drive(Engine(pipeline, 4), pipeline, [*wide, Visit(a_spec())])

    assert sorted(outcome.finished) == ["0", "1", "2", "3"]
    assert outcome.images["0", 0].pixels.shape == (64, 128, 3)
    assert outcome.images["3", 0].pixels.shape == (64, 64, 3)


def test_guided_images_have_two_rows_and_others_one(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8)
    engine.admit("guided", a_spec(guidance_scale=2.0))
    engine.admit("not", a_spec(guidance_scale=1.0))

    engine.step()

    assert (engine.stats.rows, engine.stats.largest_batch) == (3, 2)


def test_progress_is_the_mean_over_a_jobs_images_in_steps(pipeline: TinyPipeline) -> None:
    outcome = drive(Engine(pipeline, 1), pipeline, [Visit(a_spec(num_images=2))])

    steps = [progress.step for progress in outcome.progress["0"]]
    assert steps == [0, 1, 1, 2, 2, 3, 3, 4]
    assert {progress.total_steps for progress in outcome.progress["0"]} == {4}


def test_heun_evaluates_more_often_but_reports_steps(epsilon_checkpoint: Any) -> None:
    pipeline = TinyPipeline(epsilon_checkpoint)
    spec = a_spec(scheduler="heun", num_inference_steps=3)

    outcome = drive(Engine(pipeline, 1), pipeline, [Visit(spec)])

    assert [progress.step for progress in outcome.progress["0"]] == [0, 1, 1, 2, 3]


def test_images_that_exist_already_are_skipped(pipeline: TinyPipeline) -> None:
    engine, outcome = Engine(pipeline, 8), Outcome()
    engine.admit("job", a_spec(num_images=3), skip=[0, 2])

    while len(engine):
        one_step(engine, pipeline, outcome)

    assert list(outcome.images) == [("job", 1)]
    assert outcome.finished == ["job"]
    assert [progress.step for progress in outcome.progress["job"]] == [3, 3, 3, 4]


def test_a_job_whose_images_all_exist_is_finished_at_once(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8)
    engine.admit("job", a_spec(num_images=2), skip={0, 1})

    report = engine.step()

    assert [finished.job_id for finished in report.finished] == ["job"]
    assert (len(engine), engine.stats.forwards) == (0, 0)


def test_a_canceled_job_is_not_heard_of_again(pipeline: TinyPipeline) -> None:
    engine, outcome = Engine(pipeline, 8), Outcome()
    engine.admit("gone", a_spec(num_images=2))
    engine.admit("stays", a_spec())
    one_step(engine, pipeline, outcome)

    engine.cancel("gone")
    while len(engine):
        one_step(engine, pipeline, outcome)

    assert len(outcome.progress["gone"]) == 1
    assert outcome.finished == ["stays"]
    assert engine.stats.rows == 2 * 3 + 3 * 2


def test_an_empty_engine_has_nothing_to_report(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8)
    engine.cancel("never seen")

    assert engine.step() == Report()


def test_a_finished_job_tells_how_long_it_was_inside(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8)
    engine.admit("job", a_spec(num_inference_steps=1))

    (finished,) = engine.step().finished

    assert 0 < finished.engine_s < 10


def test_a_finished_job_tells_what_drew_it(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8, exact=True, name="torch 2.13.0")
    engine.admit("job", a_spec(num_inference_steps=1))

    (finished,) = engine.step().finished

    assert finished.engine == "torch 2.13.0, exact"
