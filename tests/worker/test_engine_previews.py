"""Previews from the engine to whoever watches: only when wished for, and no picture changes."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec
from worker.engine import Engine, Report
from worker.output import data_url


def finish(engine: Engine) -> list[Report]:
    reports: list[Report] = []
    while len(engine):
        reports.append(engine.step())
    return reports


def test_nobody_who_does_not_ask_gets_a_preview(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 4)
    engine.admit("job", a_spec(num_inference_steps=3))
    engine.preview("another")

    assert [report.previews for report in finish(engine)] == [(), (), ()]


def test_one_wish_shows_every_image_of_that_job_once(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 4)
    engine.admit("job", a_spec(num_inference_steps=4, num_images=2))
    engine.admit("other", a_spec(num_inference_steps=4))
    first = engine.step()
    engine.preview("job")
    second = engine.step()
    third = engine.step()

    assert first.previews == third.previews == ()
    assert [(one.job_id, one.index) for one in second.previews] == [("job", 0), ("job", 1)]
    assert {one.pixels.shape for one in second.previews} == {(32, 32, 3)}


def test_looking_changes_no_picture(pipeline: TinyPipeline) -> None:
    spec, pictures = a_spec(num_inference_steps=5, scheduler="euler"), []
    for looks in (False, True):
        engine = Engine(pipeline, 4)
        engine.admit("job", spec)
        while len(engine):
            if looks:
                engine.preview("job")
            pictures += [image.pixels for image in engine.step().images]

    assert np.array_equal(*pictures)


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_the_last_preview_is_of_the_picture_itself(
    guidance_scale: float, either_pipeline: TinyPipeline
) -> None:
    pipeline = either_pipeline
    for scheduler in ("ddim", "euler", "dpmpp_2m"):
        engine = Engine(pipeline, 4)
        pipeline.decoded.clear()
        spec = a_spec(num_inference_steps=6, scheduler=scheduler, guidance_scale=guidance_scale)
        engine.admit("job", spec)
        while len(engine):
            engine.preview("job")
            report = engine.step()

        (preview,) = report.previews
        exact = pipeline._preview_map(pipeline.decoded[0])
        assert np.abs(preview.pixels.astype(int) - exact).mean() < 3, scheduler


def test_a_job_that_leaves_takes_its_wish_along(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 4)
    engine.admit("job", a_spec(num_inference_steps=4))
    engine.preview("job")
    engine.cancel("job")
    engine.admit("job", a_spec(num_inference_steps=4))

    assert engine.step().previews == ()


@pytest.mark.parametrize(("side", "expected"), [(64, 64), (512, 256)])
def test_a_data_url_is_a_small_picture(side: int, expected: int) -> None:
    url = data_url(np.full((side // 2, side, 3), 200, np.uint8))

    kind, _, encoded = url.partition(",")
    picture = Image.open(BytesIO(base64.b64decode(encoded)))
    assert kind == "data:image/webp;base64"
    assert (picture.format, picture.size) == ("WEBP", (expected, expected // 2))
