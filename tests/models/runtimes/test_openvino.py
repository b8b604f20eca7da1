import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from models import runtimes
from models.pipeline import LatentDiffusionPipeline
from models.runtimes import RuntimeMissing, openvino
from tests.tiny_checkpoint import TEXT_LENGTH, TEXT_WIDTH, TinyPipeline
from tests.tiny_families import write_family

pytestmark = pytest.mark.timeout(180)  # to convert a network takes seconds of its own

needs_bfloat16 = pytest.mark.skipif(
    not openvino.has_bfloat16(), reason="this CPU has no instructions for bfloat16"
)
SILENT_IMPORT = """
import socket, sys
def refuse(*_, **__): raise AssertionError("it wants to talk to somebody")
socket.socket.connect = socket.getaddrinfo = refuse
import models.runtimes.openvino
print(sys.modules["openvino_telemetry"])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def compiled(tiny_checkpoint: Path, folder: Path) -> TinyPipeline:
    pipeline = TinyPipeline(tiny_checkpoint)
    said = runtimes.install(pipeline.family, "openvino", folder, threads=2)
    assert said == f"openvino {openvino.version()}"
    return pipeline


def some_rows(rows: int, height: int = 8, width: int = 8, text: int = TEXT_LENGTH) -> list[Tensor]:
    random = torch.Generator().manual_seed(rows)
    return [
        torch.randn(rows, 4, height, width, generator=random),
        torch.rand(rows, generator=random) * 999,
        torch.randn(rows, text, TEXT_WIDTH, generator=random),
    ]


def alike(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() <= 2e-5 * theirs.abs().max())


@pytest.mark.parametrize("size", [(8, 8), (12, 8), (8, 16)])
@pytest.mark.parametrize("text", [TEXT_LENGTH, 2 * TEXT_LENGTH])
def test_it_predicts_what_the_module_predicts_at_any_size(
    compiled: TinyPipeline, size: tuple[int, int], text: int
) -> None:
    rows = some_rows(3, *size, text)

    (ours,) = compiled.family.denoiser(*rows, return_dict=False)

    with torch.inference_mode():
        assert alike(ours, compiled.family.denoiser.unet(*rows, return_dict=False)[0])


def test_no_bit_of_a_row_depends_on_how_many_share_the_pass_nor_on_its_place(
    compiled: TinyPipeline,
) -> None:
    rows = some_rows(11)
    (together,) = compiled.family.denoiser(*rows)

    for number in range(1, 11):
        (some,) = compiled.family.denoiser(*(one[:number] for one in rows))
        assert torch.equal(some, together[:number])
    shuffled = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    (others,) = compiled.family.denoiser(*(one[shuffled] for one in rows))
    assert torch.equal(others, together[shuffled])


def test_it_decodes_what_the_module_decodes(compiled: TinyPipeline) -> None:
    latents = some_rows(2)[0]

    ours = compiled.family.vae.decode(latents).sample

    with torch.inference_mode():
        assert alike(ours, compiled.family.vae.vae.decode(latents).sample)
    assert torch.equal(compiled.family.vae.decode(latents[:1]).sample, ours[:1])


def test_a_size_that_the_network_enlarges_by_another_rule_is_left_to_it(
    compiled: TinyPipeline,
) -> None:
    rows = some_rows(2, 9, 8)

    with torch.inference_mode():
        (ours,) = compiled.family.denoiser(*rows)
        assert torch.equal(ours, compiled.family.denoiser.unet(*rows, return_dict=False)[0])


def test_what_was_converted_once_is_read_at_the_next_start(
    compiled: TinyPipeline, folder: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(call: Any) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(openvino, "_convert", convert)
    again = TinyPipeline(tiny_checkpoint)
    runtimes.install(again.family, "openvino", folder, threads=1)

    rows = some_rows(2)
    assert torch.equal(again.family.denoiser(*rows)[0], compiled.family.denoiser(*rows)[0])


def test_a_folder_that_cannot_be_written_costs_the_next_start_and_nothing_else(
    tmp_path: Path, tiny_checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    pipeline = TinyPipeline(tiny_checkpoint)

    runtimes.install(pipeline.family, "openvino", tmp_path / "file" / "compiled", threads=1)

    assert "compiled.not_kept" in caplog.text
    rows = some_rows(2)
    assert alike(pipeline.family.denoiser(*rows)[0], pipeline.family.denoiser.unet(*rows)[0])


def test_other_weights_are_another_conversion(
    compiled: TinyPipeline, folder: Path, epsilon_checkpoint: Path
) -> None:
    kept = set(folder.iterdir())
    other = TinyPipeline(epsilon_checkpoint)
    with torch.no_grad():
        other.family.denoiser.conv_out.bias.add_(1.0)

    runtimes.install(other.family, "openvino", folder, threads=1)

    assert len(set(folder.iterdir()) - kept) == 2


def test_stable_diffusion_xl_is_told_its_sizes_and_pooled_text(tmp_path: Path) -> None:
    path = write_family("sdxl", tmp_path)
    pipeline = LatentDiffusionPipeline.from_checkpoint(path)
    options: dict[str, Any] = {"num_inference_steps": 2, "guidance_scale": 5.0}
    expected = pipeline.denoise("a red fox", **options)

    runtimes.install(pipeline.family, "openvino")

    assert alike(pipeline.denoise("a red fox", **options), expected)


@needs_bfloat16
def test_in_bfloat16_it_is_near_and_rows_still_do_not_depend_on_their_company(
    compiled: TinyPipeline, folder: Path, tiny_checkpoint: Path
) -> None:
    halved = TinyPipeline(tiny_checkpoint)
    said = runtimes.install(halved.family, "openvino", folder, threads=2, dtype="auto")
    rows, latents = some_rows(11), some_rows(11)[0]

    (together,) = halved.family.denoiser(*rows)
    decoded = halved.family.vae.decode(latents).sample

    assert said == f"openvino {openvino.version()}, bfloat16"
    (exactly,) = compiled.family.denoiser(*rows)
    difference = (together - exactly).norm() / exactly.norm()
    assert 1e-5 < difference < 0.05  # it does compute in less, and not in much less
    for number in range(1, 11):
        assert torch.equal(
            halved.family.denoiser(*(r[:number] for r in rows))[0], together[:number]
        )
        assert torch.equal(halved.family.vae.decode(latents[:number]).sample, decoded[:number])


def test_importing_it_tells_nobody() -> None:
    command = [sys.executable, "-W", "ignore", "-c", SILENT_IMPORT]

    said = subprocess.run(command, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "None"


def test_where_it_cannot_be_torch_computes_and_a_wish_for_it_is_refused(
    tiny_checkpoint: Path,
) -> None:
    pipeline = TinyPipeline(tiny_checkpoint)
    pipeline.family.dtype = torch.bfloat16

    said = runtimes.install(pipeline.family, "auto")

    assert said.startswith("torch 2")
    assert isinstance(pipeline.family.denoiser, UNet2DConditionModel)
    with pytest.raises(RuntimeMissing, match="bfloat16, not float32"):
        runtimes.install(pipeline.family, "openvino")
