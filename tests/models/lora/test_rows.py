"""Rows of several adapters and of none in one forward pass, beside merged weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import families
from models.families import Family, Row
from models.lora.rows import Wish
from models.pipeline import LatentDiffusionPipeline, UnsupportedRequest
from tests.tiny_families import write_family
from tests.tiny_loras import Pairs, is_convolution, is_usual, merge, random_pairs, write_peft

NAMES = ("ink", "oil", "lace")
WISHES = [(), (("ink", 0.8),), (("oil", -0.5),), (("lace", 1.0),), (("ink", 0.4), ("oil", 0.6))]
PROMPT = "a red fox"


@pytest.fixture(scope="module", params=["sd1", "sdxl", "sd3", "flux-dev"])
def pipeline(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LatentDiffusionPipeline:
    folder = tmp_path_factory.mktemp(request.param)
    family = families.load(write_family(request.param, folder))
    family.loras.files = {
        name: write_peft(pairs, folder / f"{name}.safetensors")
        for name, pairs in adapters(family).items()
    }
    return LatentDiffusionPipeline(family)


def adapters(family: Family) -> dict[str, Pairs]:
    """Of unlike ranks; one has convolutions too where the network has such."""
    return {
        "ink": random_pairs(family, 1),
        "oil": random_pairs(family, 2, rank=2),
        "lace": random_pairs(family, 3, lambda *one: is_usual(*one) or is_convolution(*one)),
    }


def row(pipeline: LatentDiffusionPipeline, number: int, wish: Wish) -> Row:
    family = pipeline.family
    generator = torch.Generator().manual_seed(number)
    latents = torch.randn(1, family.latent_channels, 8, 8, generator=generator)
    (conditions,) = pipeline.conditions(PROMPT, "", 1.0, 64, 64, wish)
    return Row(latents, torch.tensor(900.0 - 100 * number), conditions)


def merged(pipeline: LatentDiffusionPipeline, number: int, wish: Wish) -> Tensor:
    """The same row's prediction by weights into which its adapters were merged."""
    family, known = pipeline.family, adapters(pipeline.family)
    family._encoded._values.clear()
    for name, weight in wish:
        merge(family, known[name], weight)
    try:
        return pipeline.predict_noise([row(pipeline, number, ())])
    finally:
        for name, weight in wish:
            merge(family, known[name], -weight)
        family._encoded._values.clear()


@pytest.mark.timeout(60)
def test_each_row_is_as_if_its_adapters_were_merged(pipeline: LatentDiffusionPipeline) -> None:
    rows = [row(pipeline, i, wish) for i, wish in enumerate(WISHES)]

    together = pipeline.predict_noise(rows).split(1)

    without = [pipeline.predict_noise([row(pipeline, i, ())]) for i in range(len(WISHES))]
    for i, wish in enumerate(WISHES):
        expected = merged(pipeline, i, wish)
        assert (together[i] - expected).abs().max() <= 1e-5 * expected.abs().max()
        effect = (expected - without[i]).abs().max() / expected.abs().max()
        assert effect > 0.01 if wish else effect < 1e-5


def test_a_row_without_adapters_is_bitwise_as_before(pipeline: LatentDiffusionPipeline) -> None:
    rows = [row(pipeline, i, ()) for i in range(3)]
    before = pipeline.predict_noise(rows)

    pipeline.predict_noise([row(pipeline, 0, WISHES[3]), *rows[1:]])

    assert torch.equal(pipeline.predict_noise(rows), before)


def test_the_prompt_is_read_with_the_rows_own_adapters(pipeline: LatentDiffusionPipeline) -> None:
    def text(wish: Wish) -> Tensor:
        conditions = row(pipeline, 0, wish).conditions
        pooled = [one for name, one in conditions.added.items() if name != "guidance"]
        return torch.cat([one.flatten().float() for one in (conditions.prompt_embeds, *pooled)])

    plain, inked = (text(wish) for wish in WISHES[:2])

    assert not torch.equal(plain, inked)
    assert torch.equal(text(()), plain)


def test_what_is_not_on_offer_is_refused(pipeline: LatentDiffusionPipeline) -> None:
    with pytest.raises(UnsupportedRequest, match="this model has no LoRA 'wool'"):
        pipeline.conditions(PROMPT, "", 1.0, 64, 64, (("wool", 1.0),))


def test_a_broken_file_is_refused_without_its_place(
    pipeline: LatentDiffusionPipeline, tmp_path: Path
) -> None:
    broken = tmp_path / "torn.safetensors"
    broken.write_bytes(b"")
    pipeline.family.loras.files = {**pipeline.family.loras.files, "torn": broken}

    with pytest.raises(UnsupportedRequest, match=r"^LoRA torn: truncated or corrupt"):
        pipeline.conditions(PROMPT, "", 1.0, 64, 64, (("torn", 1.0),))


def test_a_faster_runtime_keeps_rows_with_adapters_apart(pipeline: LatentDiffusionPipeline) -> None:
    family, (plain, inked) = pipeline.family, (row(pipeline, 0, wish) for wish in WISHES[:2])
    key = family.batch_key
    assert key(plain.latents, plain.conditions) == key(inked.latents, inked.conditions)
    expected = pipeline.predict_noise([inked])

    family.denoiser = lambda *_, **__: (torch.zeros(1),)
    try:
        assert key(plain.latents, plain.conditions) != key(inked.latents, inked.conditions)
        assert torch.equal(pipeline.predict_noise([inked]), expected)
    finally:
        family.denoiser = family.network
