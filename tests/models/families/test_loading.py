"""Folders of other makers: what is read out of them, what is refused, and that nothing is run."""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from models import families
from models.card import CheckpointError, ModelCard, read_card
from tests.tiny_families import PIPELINES, unet, write_family

UNET = "unet/diffusion_pytorch_model.safetensors"
CLIP = "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All families, each in a folder."""
    root = tmp_path_factory.mktemp("families")
    for name in PIPELINES:
        write_family(name, root / name)
    return root


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A Stable Diffusion that a test may damage."""
    return Path(shutil.copytree(written / "sd1", tmp_path / "model"))


class Planted:
    """A pickle that tells of its being read."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def edit_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        families.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def defaults(card: ModelCard) -> tuple[Any, ...]:
    return (
        card.family,
        card.native_size,
        card.size_multiple,
        card.default_num_inference_steps,
        card.default_guidance_scale,
        card.default_scheduler,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sd1", ("stable-diffusion", 64, 8, 30, 7.5, "pndm")),
        ("sdxl", ("stable-diffusion-xl", 64, 8, 30, 5.0, "euler")),
        ("sd3", ("stable-diffusion-3", 64, 16, 28, 7.0, "flow_match_euler")),
        ("flux-dev", ("flux", 64, 16, 28, 3.5, "flow_match_euler")),
        ("flux-schnell", ("flux", 64, 16, 4, 0.0, "flow_match_euler")),
    ],
)
def test_a_card_is_read_out_of_the_configs(
    written: Path, name: str, expected: tuple[Any, ...]
) -> None:
    assert defaults(read_card(written / name)) == expected


def test_turbos_schedule_means_few_steps_without_guidance(folder: Path) -> None:
    edit_json(
        folder / "scheduler/scheduler_config.json",
        _class_name="EulerAncestralDiscreteScheduler",
        timestep_spacing="trailing",
    )

    expected = ("stable-diffusion", 64, 8, 4, 1.0, "euler_ancestral")
    assert defaults(read_card(folder)) == expected


def test_the_owner_may_say_otherwise_in_a_line(folder: Path) -> None:
    (folder / "darkroom.json").write_text('{"default_num_inference_steps": 2, "license": "ours"}')

    card = read_card(folder)

    assert (card.default_num_inference_steps, card.license) == (2, "ours")
    assert card.default_guidance_scale == 7.5


def test_an_autoencoder_that_float16_is_too_narrow_for_decodes_in_float32(folder: Path) -> None:
    family = families.load(folder, dtype=torch.float16)

    assert {family.network.dtype, family.vae.dtype} == {torch.float16, torch.float32}
    latents = torch.zeros(1, 4, 8, 8, dtype=torch.float16)
    assert family.decode(latents).dtype == torch.float32


def test_shards_are_one_network(folder: Path) -> None:
    (folder / UNET).unlink()
    unet().save_pretrained(folder / "unet", max_shard_size="100KB")

    assert len(list((folder / "unet").glob("*.safetensors"))) > 2
    families.load(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / UNET).unlink()
    unet().save_pretrained(folder / "unet", max_shard_size="100KB")
    shard = sorted((folder / "unet").glob("*.safetensors"))[1]
    shard.unlink()

    index = "diffusion_pytorch_model.safetensors.index.json"
    assert refusal(folder) == f"{shard}: missing; {index} names this shard"


def test_a_shard_outside_the_folder_is_refused(folder: Path) -> None:
    index = folder / "unet/diffusion_pytorch_model.safetensors.index.json"
    index.write_text('{"weight_map": {"conv_in.weight": "../../secret.safetensors"}}')

    assert 'names "../../secret.safetensors", which is no shard' in refusal(folder)


@pytest.mark.parametrize("name", [UNET, CLIP, "vae/config.json", "model_index.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    said = refusal(folder)

    missing = "darkroom.json" if name == "model_index.json" else name
    assert said == f"{folder / missing}: missing"


def test_a_missing_tokenizer_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")

    assert refusal(folder) == f"{folder / 'tokenizer'}: missing"


@pytest.mark.parametrize("name", [UNET, CLIP])
def test_cut_weights_are_named(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])

    assert refusal(folder).startswith(f"{folder / name}: truncated or corrupt safetensors")


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    edit_json(folder / "unet/config.json", layers_per_block=2)

    assert refusal(folder).startswith(f"{folder / UNET}: does not fit config.json")


@pytest.mark.parametrize("name", [UNET, CLIP])
def test_a_pickle_alone_is_refused_and_never_run(folder: Path, tmp_path: Path, name: str) -> None:
    proof = tmp_path / "it ran"
    pickles = {UNET: "diffusion_pytorch_model.bin", CLIP: "pytorch_model.bin"}
    (folder / name).unlink()
    planted = (folder / name).with_name(pickles[name])
    planted.write_bytes(pickle.dumps(Planted(proof)))

    said = refusal(folder)

    assert said.startswith(f"{folder / name}: missing; {planted.name} is refused: a pickle can run")
    assert not proof.exists()


def test_a_pickle_beside_the_weights_is_never_run(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "it ran"
    for name in ("unet/diffusion_pytorch_model.bin", "text_encoder/pytorch_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Planted(proof)))

    families.load(folder)

    assert not proof.exists()


def test_code_in_the_folder_is_never_run(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "it ran"
    for place in ("", "unet", "text_encoder", "tokenizer"):
        (folder / place / "planted.py").write_text(f"import os; os.mkdir({str(proof)!r})")
    auto_map = {"AutoModel": "planted.Planted", "AutoTokenizer": ["planted.Planted", None]}
    for name in ("unet/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json"):
        edit_json(folder / name, auto_map=auto_map)

    families.load(folder)

    assert not proof.exists()


def test_a_class_that_is_not_known_is_refused(folder: Path) -> None:
    edit_json(folder / "model_index.json", unet=["planted", "Planted"])

    assert refusal(folder) == f"{folder / 'unet'}: is a 'Planted', which is not loaded here"


def test_another_pipeline_is_refused(folder: Path) -> None:
    edit_json(folder / "model_index.json", _class_name="AudioLDMPipeline")

    index = folder / "model_index.json"
    assert refusal(folder) == f"{index}: a AudioLDMPipeline is none of the known families"
