from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models import families
from models.card import CheckpointError
from models.families import Family
from models.lora.files import read
from models.lora.folder import find_loras
from tests import tiny_loras
from tests.tiny_families import write_family
from tests.tiny_loras import RANK, Pairs, is_convolution, is_usual, random_pairs


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return families.load(write_family("sd1", tmp_path_factory.mktemp("sd1")))


def assert_read(file: Path, family: Family, pairs: Pairs, scale: float) -> None:
    adapter = read(file, family.loras.modules)

    assert adapter.keys() == pairs.keys()
    for place, delta in adapter.items():
        assert torch.equal(delta.down.flatten(1), pairs[place][0].flatten(1))
        assert torch.equal(delta.up.flatten(1), pairs[place][1].flatten(1))
        assert delta.scale == scale


def test_names_as_diffusers_and_peft_write_them(family: Family, tmp_path: Path) -> None:
    pairs = random_pairs(family, 0)
    assert {place.split(".")[0] for place in pairs} == {"unet", "text_encoder"}

    plain = tiny_loras.write_peft(pairs, tmp_path / "plain.safetensors")
    scaled = tiny_loras.write_peft(pairs, tmp_path / "scaled.safetensors", alpha=8.0)

    assert_read(plain, family, pairs, 1.0)
    assert_read(scaled, family, pairs, 8.0 / RANK)


def test_names_as_kohyas_scripts_write_them(family: Family, tmp_path: Path) -> None:
    pairs = random_pairs(family, 0, lambda *one: is_usual(*one) or is_convolution(*one))

    file = tiny_loras.write_kohya(pairs, tmp_path / "kohya.safetensors", alpha=2.0)

    assert_read(file, family, pairs, 2.0 / RANK)


def test_names_as_diffusers_wrote_them_before_peft(family: Family, tmp_path: Path) -> None:
    pairs = random_pairs(family, 0, lambda name, module: is_usual(name, module) and "attn" in name)
    pairs = {place: pair for place, pair in pairs.items() if place.startswith("unet.")}

    file = tiny_loras.write_old(pairs, tmp_path / "old.safetensors")

    assert_read(file, family, pairs, 1.0)


def test_one_of_another_model_is_refused(family: Family, tmp_path: Path) -> None:
    pairs = random_pairs(family, 0)
    place = next(iter(pairs))
    wide = {**pairs, place: (torch.ones(RANK, 7), torch.ones(9, RANK))}
    elsewhere = {"unet.down_blocks.9.attn.to_q": pairs[place]}
    files = [
        tiny_loras.write_peft(wide, tmp_path / "wide.safetensors"),
        tiny_loras.write_peft(elsewhere, tmp_path / "elsewhere.safetensors"),
    ]
    save_file({"weight": torch.ones(1)}, tmp_path / "none.safetensors")

    for file, said in [
        (files[0], f"{place} has another shape than the model's"),
        (files[1], "1 of its 1 modules are not there, unet.down_blocks.9.attn.to_q the first"),
        (tmp_path / "none.safetensors", "0 of its 0 modules are not there"),
    ]:
        with pytest.raises(CheckpointError, match=said):
            read(file, family.loras.modules)


def test_a_subfolder_is_for_one_model(tmp_path: Path) -> None:
    for name in ("ink.safetensors", "oil.bin", "xl/lace.safetensors", "sd/wool.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert sorted(find_loras(tmp_path, "xl")) == ["ink", "lace"]
    assert find_loras(None, "xl") == {}
