"""Every family and scheduler draws what diffusers' own pipeline draws; `tests.parity` prints it."""

import pytest

from app.jobs.spec import OutputFormat
from tests.parity import Pair, TrainedPair, compare, difference
from tests.tiny_families import PIPELINES
from worker.output import encode

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=PIPELINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair.of(request.param, tmp_path_factory.mktemp(request.param))


def test_alone_bit_for_bit_and_in_a_crowd_within_rounding(pair: Pair) -> None:
    assert_alike(pair)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_of_the_trained_model() -> None:
    assert_alike(TrainedPair.of())


def assert_alike(pair: Pair) -> None:
    found = list(compare(pair))

    assert len(found) >= 2
    for scheduler, alone, crowd in found:
        assert alone.is_bitwise, (scheduler, str(alone))
        assert crowd.latents <= 2e-5, (scheduler, str(crowd))
        assert crowd.levels <= 1, (scheduler, str(crowd))
        assert crowd.bytes <= 1e-3, (scheduler, str(crowd))


def test_unguided_and_without_a_negative_prompt(pair: Pair) -> None:
    name = pair.ours.card.default_scheduler
    for changes in ({"guidance_scale": 1.0}, {"negative_prompt": ""}):
        spec = pair.wish(name, width=64, num_inference_steps=2, **changes)

        ours, stock = pair.alone(spec), pair.drawn_by_stock(spec)

        assert difference(ours, stock).is_bitwise
        files = [encode(pixels, OutputFormat.PNG, 90, "") for _, pixels in (ours, stock)]
        assert files[0] == files[1]
