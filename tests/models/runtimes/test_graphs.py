"""Recorded passes, on a CPU: there a replay is a call, and all around it is what a GPU would run.

No test here shows that a GPU can record them.
"""

from pathlib import Path

import pytest
import torch

from models import families, runtimes
from models.families import Family, Row
from models.pipeline import LatentDiffusionPipeline
from models.runtimes import RuntimeMissing, graphs
from tests.tiny_families import write_family
from tests.tiny_loras import random_pairs, write_peft
from worker.bench.traffic import a_job
from worker.engine import Engine

pytestmark = pytest.mark.timeout(120)

PROMPTS = ("a red fox", "fog over a lake", "a glass teapot")


@pytest.fixture(scope="module", params=["sd1", "sdxl", "sd3", "flux-dev"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def family(folder: Path) -> Family:
    return families.load(folder)


def rows_of(pipeline: LatentDiffusionPipeline, count: int) -> list[Row]:
    generator = torch.Generator().manual_seed(count)
    channels = pipeline.family.latent_channels
    return [
        Row(
            torch.randn(1, channels, 8, 8, generator=generator),
            torch.tensor(900.0 - 100 * i),
            pipeline.conditions(PROMPTS[i % 3], "", 1.0, 64, 64)[0],
        )
        for i in range(count)
    ]


def test_what_is_replayed_is_what_the_network_says(folder: Path, family: Family) -> None:
    plain = LatentDiffusionPipeline(families.load(folder))
    recorded = LatentDiffusionPipeline(family)
    graphs.install(family)

    for count in (3, 1, 3, 4, 2, 3, 4, 1, 40):
        expected = plain.predict_noise(rows_of(plain, count))
        found = recorded.predict_noise(rows_of(recorded, count))
        assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


def test_the_first_pass_of_a_shape_waits_for_no_recording(family: Family) -> None:
    pipeline = LatentDiffusionPipeline(family)
    graphs.install(family)
    recorded = family.denoiser

    def recordings_after(count: int) -> int:
        pipeline.predict_noise(rows_of(pipeline, count))
        return len(recorded._recordings)

    assert [recordings_after(count) for count in (4, 4, 3, 4, 1, 1)] == [0, 1, 1, 1, 1, 2]


def test_a_rows_bits_do_not_depend_on_what_is_left_in_its_bucket(family: Family) -> None:
    pipeline = LatentDiffusionPipeline(family)
    graphs.install(family)
    four, three = rows_of(pipeline, 4), rows_of(pipeline, 3)
    pipeline.predict_noise(four), pipeline.predict_noise(four)
    after_others = pipeline.predict_noise(three)

    broken = [row._replace(latents=row.latents * float("nan")) for row in four]
    assert pipeline.predict_noise(broken).isnan().any()

    assert torch.equal(pipeline.predict_noise(three), after_others)


def test_rows_with_adapters_are_not_replayed(family: Family, tmp_path: Path) -> None:
    pipeline = LatentDiffusionPipeline(family)
    file = write_peft(random_pairs(family, 1), tmp_path / "ink.safetensors")
    family.loras.files = {"ink": file}
    (conditions,) = pipeline.conditions(PROMPTS[0], "", 1.0, 64, 64, (("ink", 0.8),))
    inked = [row._replace(conditions=conditions) for row in rows_of(pipeline, 2)]
    expected = pipeline.predict_noise(inked)

    graphs.install(family)

    for _ in range(3):
        found = pipeline.predict_noise(inked)
        assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()
    assert not family.denoiser._recordings


def test_an_engine_draws_by_it(family: Family) -> None:
    pipeline = LatentDiffusionPipeline(family)
    graphs.install(family)
    engine = Engine(pipeline, 4)
    for i in range(3):
        engine.admit(str(i), a_job(pipeline.card, seed=i, num_inference_steps=3 + i))

    reports = [engine.step() for _ in range(12)]

    assert {one.job_id for report in reports for one in report.finished} == {"0", "1", "2"}
    assert family.denoiser._recordings


def test_without_a_gpu_it_is_refused(family: Family) -> None:
    with pytest.raises(RuntimeMissing, match="graphs: are for a GPU, and the device is cpu"):
        runtimes.install(family, "graphs")
