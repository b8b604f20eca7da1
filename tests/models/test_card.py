import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.card import CheckpointError, ModelCard, read_card, write_card

CARD: dict[str, Any] = {
    "family": "default",
    "native_size": 64,
    "size_multiple": 16,
    "min_size": 64,
    "max_size": 128,
    "default_num_inference_steps": 20,
    "default_guidance_scale": 4.0,
    "default_scheduler": "ddim",
    "schedulers": ["ddim", "euler"],
    "license": "MIT",
    "created": 1_700_000_000,
    "files": {"unet/diffusion_pytorch_model.safetensors": "0" * 64},
}


def write(folder: Path, **changes: Any) -> None:
    (folder / "darkroom.json").write_text(json.dumps({**CARD, **changes}))


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path)

    card = read_card(tmp_path)

    assert card == ModelCard(**{**CARD, "schedulers": ("ddim", "euler")})
    write_card(tmp_path, replace(card, license="none"))
    assert read_card(tmp_path) == replace(card, license="none")


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, mood="dark")

    assert read_card(tmp_path).family == "default"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"native_size": "64"}, "native_size is '64'"),
        ({"native_size": True}, "native_size is True"),
        ({"default_guidance_scale": None}, "default_guidance_scale is None"),
        ({"schedulers": "ddim"}, "schedulers is 'ddim'"),
        ({"schedulers": [1]}, r"schedulers is \[1\]"),
        ({"files": []}, r"files is \[\]"),
        ({"default_scheduler": "heun"}, "default_scheduler 'heun' is not in schedulers"),
        ({"native_size": 32}, "min_size <= native_size <= max_size does not hold"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)

    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(tmp_path)

    assert caught.value.path == tmp_path / "darkroom.json"


def test_missing_fields_are_named(tmp_path: Path) -> None:
    (tmp_path / "darkroom.json").write_text('{"family": "default"}')

    with pytest.raises(CheckpointError, match="missing native_size, size_multiple"):
        read_card(tmp_path)


def test_reading_a_card_loads_no_torch() -> None:
    code = "import sys, models.card; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
