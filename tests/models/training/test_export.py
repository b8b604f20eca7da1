import json
from pathlib import Path

import pytest
import torch

from models import checkpoint
from models.autoencoder import build_autoencoder
from models.config import ModelConfig
from models.training.ema import Ema
from models.training.export import export
from models.training.loop import save_state
from models.unet import build_unet

NANO = ModelConfig.of_size("nano")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "run"
    build_autoencoder(NANO.autoencoder, NANO.native_size).save_pretrained(folder / "vae")
    save_state(folder / "diffusion.pt", {"ema": Ema(build_unet(NANO), 0.9).state_dict()})
    return folder


@pytest.mark.timeout(30)
def test_exported_folder_loads_with_the_averaged_weights(run: Path, tmp_path: Path) -> None:
    export(NANO, run, tmp_path / "model")

    loaded = checkpoint.load(tmp_path / "model")

    torch.manual_seed(0)
    build_autoencoder(NANO.autoencoder, NANO.native_size)
    expected = build_unet(NANO).conv_out.weight
    torch.testing.assert_close(
        loaded.modules["unet"].conv_out.weight, expected, atol=1e-3, rtol=1e-3
    )
    assert loaded.card.size_multiple == NANO.size_multiple
    assert loaded.scheduler_config["rescale_betas_zero_snr"] is True
    assert loaded.scheduler_config["clip_sample"] is False


@pytest.mark.timeout(30)
def test_component_table_names_our_text_encoder_and_no_path_of_this_machine(
    run: Path, tmp_path: Path
) -> None:
    export(NANO, run, tmp_path / "model")

    index = json.loads((tmp_path / "model" / "model_index.json").read_text())

    vae = (tmp_path / "model" / "vae" / "config.json").read_text()
    assert str(tmp_path) not in vae
    assert index["text_encoder"] == ["models.text_encoder", "TextEncoder"]


def test_a_run_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no diffusion state"):
        export(NANO, tmp_path, tmp_path / "model")
