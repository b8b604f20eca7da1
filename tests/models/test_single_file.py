import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from models.card import CheckpointError
from models.pipeline import LatentDiffusionPipeline
from tests.one_file import write_one_file
from tests.tiny_families import write_family


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family("sd1", tmp_path_factory.mktemp("sd1"))


@pytest.fixture
def file(folder: Path, tmp_path: Path) -> Path:
    return write_one_file(folder, tmp_path / "v1-5.safetensors")


def load(path: Path) -> LatentDiffusionPipeline:
    return LatentDiffusionPipeline.from_checkpoint(path)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.timeout(60)
def test_one_file_draws_what_the_folder_draws(folder: Path, file: Path) -> None:
    ours, theirs = load(file), load(folder)

    wish = {"prompt": "a red fox", "num_inference_steps": 3}
    assert np.array_equal(ours(**wish), theirs(**wish))


def test_a_part_that_the_file_lacks_comes_from_the_folder(folder: Path, file: Path) -> None:
    name = "text_encoder/model.safetensors"
    shutil.copy(folder / name, file.with_suffix("") / name)

    assert load(file).card.family == "stable-diffusion"


def test_a_file_without_its_configs_is_refused(file: Path) -> None:
    shutil.rmtree(file.with_suffix(""))

    assert refusal(file) == f"{file}: a single file needs its configs in a folder v1-5/"


def test_a_file_cut_short_is_named(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])

    assert refusal(file).startswith(f"{file}: truncated or corrupt safetensors")


def test_weights_of_another_shape_are_named(folder: Path, file: Path) -> None:
    config = file.with_suffix("") / "unet/config.json"
    config.write_text(
        config.read_text().replace('"cross_attention_dim": 32', '"cross_attention_dim": 64')
    )

    assert refusal(file).startswith(f"{config.parent}: the file beside it has no such UNet2D")


@pytest.mark.parametrize("part", ["model.diffusion_model.out.2", "first_stage_model.decoder"])
def test_weights_that_lack_are_told(file: Path, part: str) -> None:
    weights = load_file(file)
    save_file({k: v for k, v in weights.items() if not k.startswith(part)}, file)

    assert "the file beside it has no such" in refusal(file)


def test_a_pickle_is_refused(file: Path) -> None:
    checkpoint = file.with_suffix(".ckpt")
    checkpoint.write_bytes(pickle.dumps({"state_dict": {}}))

    assert refusal(checkpoint) == f"{checkpoint}: refused: a pickle can run code, use safetensors"
