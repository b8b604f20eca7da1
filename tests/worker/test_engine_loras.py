"""Jobs of three LoRAs and one of none in one batch, each as by weights they were merged into."""

import pytest
import torch

from app.jobs.spec import GenerationSpec, Lora
from models import families
from tests.parity import Watched
from tests.tiny_families import write_family
from tests.tiny_loras import merge, random_pairs, write_peft
from worker.bench.traffic import a_job
from worker.engine import Engine

WISHES = {"none": (), "a": (("ink", 0.8),), "b": (("oil", -0.5),), "c": (("ink", 0.3), ("lace", 1))}
STEPS = 4


@pytest.fixture(scope="module", params=["sd1", "sd3"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp(request.param)
    family = families.load(write_family(request.param, folder))
    family.loras.files = {
        name: write_peft(random_pairs(family, seed), folder / f"{name}.safetensors")
        for seed, name in enumerate(("ink", "oil", "lace"))
    }
    return Watched(family)


def merged(pipeline: Watched, spec: GenerationSpec) -> torch.Tensor:
    """The latents of the wish by weights into which its LoRAs were merged."""
    family = pipeline.family
    pairs = {name: random_pairs(family, i) for i, name in enumerate(("ink", "oil", "lace"))}
    family._encoded._values.clear()
    for one in spec.loras:
        merge(family, pairs[one.name], one.weight)
    try:
        return pipeline.denoise(
            spec.prompt, num_inference_steps=STEPS, guidance_scale=spec.guidance_scale,
            scheduler=spec.scheduler, seed=spec.seed,
        )  # fmt: skip
    finally:
        for one in spec.loras:
            merge(family, pairs[one.name], -one.weight)
        family._encoded._values.clear()


@pytest.mark.timeout(60)
def test_three_loras_and_none_are_drawn_in_one_batch(pipeline: Watched) -> None:
    specs = {
        job_id: a_job(
            pipeline.card,
            seed=seed,
            num_inference_steps=STEPS,
            loras=[Lora(name=name, weight=weight) for name, weight in wish],
        )
        for seed, (job_id, wish) in enumerate(WISHES.items())
    }
    engine = Engine(pipeline, 8)
    for job_id, spec in specs.items():
        engine.admit(job_id, spec)

    found: dict[str, torch.Tensor] = {}
    while len(engine):
        pipeline.decoded.clear()
        report = engine.step()
        assert not report.failed
        for image, latents in zip(report.images, pipeline.decoded, strict=True):
            found[image.job_id] = latents

    assert engine.stats.largest_batch == len(WISHES)
    assert engine.stats.forwards == engine.stats.rows / (2 * len(WISHES))
    for job_id, spec in specs.items():
        expected = merged(pipeline, spec)
        assert (found[job_id] - expected).abs().max() <= 1e-5 * expected.abs().max()
