"""A picture has the same bytes in any company: compiled by default, on torch in an exact engine.

Company comes and goes at any step, is canceled, ends in NaN or breaks while it is decoded.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.jobs.spec import GenerationSpec
from models import runtimes
from models.pipeline import Pixels
from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import PoisonedEncoder, Visit, a_spec, drive
from worker.cost import CostCurve
from worker.engine import Engine, NonFiniteLatents

log = logging.getLogger(__name__)

SCHEDULERS = ("ddim", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "lcm", "pndm")

specs = st.builds(
    a_spec,
    prompt=st.sampled_from(["a red fox", "fog over a lake at dawn", "a glass teapot", "poison"]),
    width=st.sampled_from([64, 64, 80]),
    num_images=st.integers(1, 2),
    num_inference_steps=st.integers(1, 6),
    guidance_scale=st.sampled_from([1.0, 4.0]),
    scheduler=st.sampled_from(SCHEDULERS),
    seed=st.integers(0, 3),
)
visits = st.builds(
    Visit, spec=specs, joins=st.integers(0, 6), canceled=st.none() | st.none() | st.integers(1, 9)
)
crowds = st.lists(visits, min_size=2, max_size=6)
curves = st.sampled_from([CostCurve({1: 1.0, 64: 1.0}), CostCurve({1: 1.0, 8: 4.0, 64: 32.0})])
LAW = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Breaking(TinyPipeline):
    """Its decoder breaks once, after so many pictures."""

    def decode_latents(self, latents: Any) -> Pixels:
        if self.fails_at is not None and len(self.decoded_in_all) == self.fails_at:
            self.fails_at = None
            raise RuntimeError("the decoder broke")
        pixels = super().decode_latents(latents)
        self.decoded_in_all.append(pixels)
        return pixels

    def reset(self, fails_at: int | None) -> None:
        self.fails_at, self.decoded_in_all = fails_at, list[Pixels]()


class Alone:
    """What each spec's pictures are when nobody else is inside; drawn once."""

    def __init__(self, pipeline: Breaking, *, exact: bool) -> None:
        self.pipeline, self.exact = pipeline, exact
        self._drawn: dict[tuple[GenerationSpec, int], Pixels] = {}

    def __call__(self, spec: GenerationSpec, index: int) -> Pixels:
        one = spec.model_copy(update={"seed": spec.seed + index, "num_images": 1})
        key = one, 0
        if key not in self._drawn:
            self.pipeline.reset(None)
            engine = Engine(self.pipeline, 8, exact=self.exact)
            self._drawn[key] = drive(engine, self.pipeline, [Visit(one)]).images["0", 0].pixels
        return self._drawn[key]


@pytest.fixture(scope="module", params=["openvino auto", "openvino float32", "torch exact"])
def alone(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> Alone:
    pipeline = Breaking(tiny_checkpoint)
    pipeline.family.text_encoder = PoisonedEncoder(pipeline.family.text_encoder)
    runtime, way = request.param.split()
    if runtime == "openvino":
        runtimes.install(pipeline.family, runtime, threads=2, dtype=way)
    return Alone(pipeline, exact=way == "exact")


def obey(
    alone: Alone, crowd: list[Visit], max_batch_size: int, curve: CostCurve, fails_at: int | None
) -> Counter[str]:
    """Draw the crowd and compare every picture; how many were compared and how others ended."""
    pipeline = alone.pipeline
    pipeline.reset(fails_at)
    engine = Engine(pipeline, max_batch_size, curve, exact=alone.exact)

    outcome = drive(engine, pipeline, crowd)

    poisoned = {str(i) for i, visit in enumerate(crowd) if visit.spec.prompt == "poison"}
    not_finite = {i for i, error in outcome.failed.items() if isinstance(error, NonFiniteLatents)}
    broken = outcome.failed.keys() - not_finite
    assert not_finite <= poisoned
    assert len(broken) <= (fails_at is not None)
    assert not poisoned & {job_id for job_id, _ in outcome.images}
    for (job_id, index), image in outcome.images.items():
        expected = alone(crowd[int(job_id)].spec, index)
        assert np.array_equal(image.pixels, expected)
    return Counter(
        interleavings=1, pictures=len(outcome.images), canceled_inside=len(outcome.canceled),
        not_finite=len(not_finite), broken=len(broken),
    )  # fmt: skip


@pytest.mark.timeout(300)
@given(crowd=crowds, size=st.integers(1, 8), curve=curves, fails_at=st.none() | st.integers(0, 5))
@settings(LAW, max_examples=25)
def test_in_any_company_a_picture_has_the_bytes_it_has_alone(
    alone: Alone, crowd: list[Visit], size: int, curve: CostCurve, fails_at: int | None
) -> None:
    obey(alone, crowd, size, curve, fails_at)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_same_over_five_hundred_interleavings(alone: Alone) -> None:
    seen = Counter[str]()

    @given(crowds, st.integers(1, 8), curves, st.none() | st.integers(0, 5))
    @settings(LAW, max_examples=500)
    def in_any_company(
        crowd: list[Visit], size: int, curve: CostCurve, fails_at: int | None
    ) -> None:
        seen.update(obey(alone, crowd, size, curve, fails_at))

    in_any_company()

    log.info("%s: %s", "exact" if alone.exact else "openvino", dict(seen))
    assert seen["interleavings"] >= 500
    assert min(seen["canceled_inside"], seen["not_finite"], seen["broken"]) >= 50
