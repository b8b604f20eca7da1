"""A worker process that cannot work ends with status 2 and names the cause."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import Process, Store
from tests.tiny_families import write_family

pytestmark = pytest.mark.timeout(150)

REFUSED = 2
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def broken(tmp_path: Path, checkpoint: Path) -> dict[str, Path]:
    """Checkpoint folders, each with one fault."""
    folders = {name: tmp_path / name for name in ("absent", "card", "cut", "flipped", "pickle")}
    for name, folder in folders.items():
        if name != "absent":
            shutil.copytree(checkpoint, folder)
    (folders["card"] / "darkroom.json").write_text("{")
    data = (checkpoint / "unet" / WEIGHTS).read_bytes()
    (folders["cut"] / "unet" / WEIGHTS).write_bytes(data[: len(data) // 2])
    (folders["flipped"] / "unet" / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    weights = folders["pickle"] / "unet" / WEIGHTS
    weights.rename(weights.with_suffix(".bin"))
    return folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "DARKROOM" not in name}
    return {**kept, **{f"DARKROOM_{name.upper()}": value for name, value in settings.items()}}


def said_by(command: list[str], env: dict[str, str]) -> str:
    """What a process says that refuses to work."""
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == REFUSED, ended.stderr
    return ended.stderr


def is_one_line(said: str) -> bool:
    """One line says why; beside it there is at most what was loaded before."""
    refusals = [line for line in said.splitlines() if "worker.refuses_to_start" in line]
    return len(refusals) == 1 and "Traceback" not in said


def test_each_fault_of_a_checkpoint_is_named(
    store: Store, broken: dict[str, Path], folder: Path
) -> None:
    workers = {
        name: Process(
            [sys.executable, "-m", "worker"],
            environment(redis_url=store.url, models=f"default={path}", data_dir=str(folder)),
            folder / f"{name}.log",
        )
        for name, path in broken.items()
    }
    said = dict[str, str]()
    for name, worker in workers.items():
        assert worker.wait() == REFUSED, worker.said()
        said[name] = worker.said()

    unet = {name: broken[name] / "unet" / WEIGHTS for name in broken}
    assert f"{broken['absent']}: no such checkpoint folder" in said["absent"]
    assert f"{broken['card'] / 'darkroom.json'}: not readable" in said["card"]
    assert f"{unet['cut']}: truncated or corrupt" in said["cut"]
    assert f"{unet['flipped']}: SHA-256 is" in said["flipped"]
    assert f"{unet['pickle']}: missing" in said["pickle"]
    assert "a pickle can run code" in said["pickle"]
    assert all(is_one_line(text) for text in said.values())


def test_a_device_that_is_not_there_is_named(store: Store, checkpoint: Path) -> None:
    env = environment(redis_url=store.url, models=f"default={checkpoint}", device="mps")
    assert "DARKROOM_DEVICE is mps" in said_by([sys.executable, "-m", "worker"], env)


def test_a_worker_without_a_store_or_with_a_wrong_setting_refuses() -> None:
    command = [sys.executable, "-m", "worker"]
    assert "DARKROOM_REDIS_URL is not set" in said_by(command, environment())
    assert "max_batch_size" in said_by(command, environment(max_batch_size="0"))


def test_a_store_that_does_not_answer_is_worth_another_try(
    tmp_path: Path, checkpoint: Path
) -> None:
    env = environment(redis_url=f"unix://{tmp_path}/none.sock", models=f"default={checkpoint}")
    command = [sys.executable, "-m", "worker"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "redis.unavailable" in ended.stderr


def test_each_fault_of_somebody_elses_folder_is_named(store: Store, folder: Path) -> None:
    names = ("pickle", "shard", "another")
    models = {name: write_family("sd1", folder / name) for name in names}
    clip = models["pickle"] / "text_encoder" / "model.safetensors"
    clip.rename(clip.with_name("pytorch_model.bin"))
    unet = models["shard"] / "unet"
    (unet / WEIGHTS).unlink()
    index = '{"weight_map": {"conv_in.weight": "part-2.safetensors"}}'
    (unet / f"{WEIGHTS}.index.json").write_text(index)
    (models["another"] / "model_index.json").write_text('{"_class_name": "AudioLDMPipeline"}')
    workers = {
        name: Process(
            [sys.executable, "-m", "worker"],
            environment(redis_url=store.url, models=f"default={path}", data_dir=str(folder)),
            folder / f"{name}.log",
        )
        for name, path in models.items()
    }
    said = dict[str, str]()
    for name, worker in workers.items():
        assert worker.wait() == REFUSED, worker.said()
        said[name] = worker.said()

    assert f"{clip}: missing; pytorch_model.bin is refused: a pickle can run code" in said["pickle"]
    assert f"{unet / 'part-2.safetensors'}: missing" in said["shard"]
    assert "AudioLDMPipeline is none of the known families" in said["another"]
    assert all(is_one_line(text) for text in said.values())
