import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from models import checkpoint, families
from models.checkpoint import CheckpointError
from models.pipeline import LatentDiffusionPipeline
from tests.tiny_checkpoint import tiny_unet

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))


def edit_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder)
    return str(caught.value)


def test_what_was_saved_is_loaded(tiny_checkpoint: Path) -> None:
    components = checkpoint.load(tiny_checkpoint)

    saved = tiny_unet().state_dict()
    loaded = components.modules["unet"].state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in saved.items())
    assert components.scheduler_config["prediction_type"] == "v_prediction"
    assert set(components.card.files) == {UNET, VAE}


def test_modules_come_ready_for_inference_in_the_dtype_asked_for(tiny_checkpoint: Path) -> None:
    components = checkpoint.load(tiny_checkpoint, dtype=torch.bfloat16)

    for module in components.modules.values():
        assert not module.training
        assert all(not p.requires_grad for p in module.parameters())
        assert {p.dtype for p in module.parameters()} == {torch.bfloat16}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such checkpoint folder"


@pytest.mark.parametrize(
    "name", ["darkroom.json", "scheduler/scheduler_config.json", "unet/config.json", UNET, VAE]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert refusal(folder) == f"{folder / name}: missing"


@pytest.mark.parametrize("name", [UNET, VAE])
def test_truncated_weights_are_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])

    assert refusal(folder).startswith(f"{folder / name}: truncated or corrupt safetensors")


def test_an_empty_weights_file_is_named(folder: Path) -> None:
    (folder / UNET).write_bytes(b"")

    assert refusal(folder).startswith(f"{folder / UNET}: truncated or corrupt safetensors")


def test_one_flipped_bit_is_a_hash_mismatch(folder: Path) -> None:
    content = bytearray((folder / UNET).read_bytes())
    content[-1] ^= 1
    (folder / UNET).write_bytes(content)

    message = refusal(folder)

    assert message.startswith(f"{folder / UNET}: SHA-256 is ")
    assert checkpoint.read_card(folder).files[UNET] in message


@pytest.mark.parametrize("pickle", ["diffusion_pytorch_model.bin", "model.ckpt"])
def test_a_pickle_in_place_of_safetensors_is_refused(folder: Path, pickle: str) -> None:
    (folder / UNET).rename(folder / "unet" / pickle)

    message = refusal(folder)

    assert message.startswith(f"{folder / UNET}: missing; {pickle} is refused")


def test_weights_without_a_hash_are_refused(folder: Path) -> None:
    files = dict(checkpoint.read_card(folder).files)
    del files[VAE]
    edit_json(folder / "darkroom.json", files=files)

    assert refusal(folder) == f"{folder / VAE}: its SHA-256 is not in the card"


def test_a_card_cannot_point_outside_its_folder(folder: Path) -> None:
    edit_json(folder / "darkroom.json", files={"../secret": "0" * 64})

    assert "outside the checkpoint folder" in refusal(folder)


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    edit_json(folder / "unet/config.json", block_out_channels=[16, 64])

    assert refusal(folder).startswith(f"{folder / UNET}: does not fit config.json")


def test_a_config_that_describes_no_network_is_named(folder: Path) -> None:
    edit_json(folder / "unet/config.json", block_out_channels=[16, 64, 128])

    assert refusal(folder).startswith(f"{folder / 'unet/config.json'}: describes no UNet2D")


def test_broken_json_is_named(folder: Path) -> None:
    (folder / "vae/config.json").write_text("{")

    assert refusal(folder).startswith(f"{folder / 'vae/config.json'}: not readable as JSON")


def test_an_unknown_family_is_refused(folder: Path) -> None:
    edit_json(folder / "darkroom.json", family="video")

    with pytest.raises(CheckpointError, match="unknown model family 'video'"):
        families.load(folder)


def test_unknown_schedulers_in_the_card_are_refused(folder: Path) -> None:
    edit_json(folder / "darkroom.json", schedulers=["ddim", "magic"])

    assert "unknown schedulers: magic" in refusal(folder)


@pytest.mark.timeout(60)
def test_a_pipeline_loads_beside_the_pretrained_text_encoder(tiny_checkpoint: Path) -> None:
    pipeline = LatentDiffusionPipeline.from_checkpoint(tiny_checkpoint)

    (conditions,) = pipeline.conditions("a red fox", "", 1.0, 64, 64)
    assert conditions.prompt_embeds.shape == (1, 32, 384)
    assert pipeline("a red fox", num_inference_steps=2).std() > 0
