"""Weights that are not what they should be: refused at the start, and nothing in them ever runs."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.source import BUILT_IN
from tests.service import Service, Store

pytestmark = pytest.mark.timeout(120)

REFUSED = 2
WEIGHTS = "diffusion_pytorch_model.safetensors"
PICKLES = ("diffusion_pytorch_model.bin", "pytorch_model.bin", "model.ckpt", "weights.pt", "x.pkl")


class Touch:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def refusal(store: Store, folder: Path, **settings: str) -> str:
    """What a worker says that refuses to work."""
    service = Service(store, folder, folder.parent, **settings)
    command = [sys.executable, "-m", "worker"]
    ended = subprocess.run(command, env=service.env, capture_output=True, text=True, check=False)
    service.http.close()
    assert ended.returncode == REFUSED, ended.stderr
    return ended.stderr


def test_the_planted_pickle_would_run_if_anything_opened_it(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Touch(tmp_path / "it-ran")))

    assert (tmp_path / "it-ran").exists()


def test_weights_that_are_a_pickle_are_refused_and_never_run(
    store: Store, checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    planted = pickle.dumps(Touch(tmp_path / "it-ran"))
    (folder / "unet" / WEIGHTS).write_bytes(planted)
    (folder / "unet" / WEIGHTS).with_suffix(".bin").write_bytes(planted)

    said = refusal(store, folder)

    assert "worker.refuses_to_start" in said
    assert not (tmp_path / "it-ran").exists()


def test_pickles_beside_good_weights_are_never_opened(
    store: Store, checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    for place in (folder, folder / "unet", folder / "vae", folder / "scheduler"):
        for name in PICKLES:
            (place / name).write_bytes(pickle.dumps(Touch(tmp_path / "it-ran")))
    (folder / "modeling_custom.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')")
    service = Service(store, folder, tmp_path)
    service.start_api()
    service.start_worker()

    job = service.finished(service.submit(num_inference_steps=2)["id"])
    service.stop()

    assert job["status"] == "succeeded"
    assert not (tmp_path / "it-ran").exists()


def test_one_changed_byte_of_the_default_model_refuses_the_start(
    store: Store, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(BUILT_IN, tmp_path / "model"))
    file = max(folder.rglob("*.safetensors"), key=lambda one: one.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    file.write_bytes(data)

    said = refusal(store, folder)

    assert "worker.refuses_to_start" in said
    assert file.name in said
    assert "SHA-256" in said
