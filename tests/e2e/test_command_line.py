"""The command line against real parts: a worker that is still loading, pictures, a restart."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.service import Service, Store, eventually

pytestmark = pytest.mark.timeout(120)


def start(service: Service, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, "DARKROOM_URL": service.url},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_waits_for_the_worker_and_outlives_the_api(
    store: Store, checkpoint: Path, tmp_path: Path
) -> None:
    service = Service(store, checkpoint, tmp_path, job_lease_s="2")
    api = service.start_api()
    wish = ("generate", "a red heart", "-n", "2", "--steps", "150", "--seed", "7")
    command = start(service, tmp_path, *wish, "--scheduler", "ddim")
    told = threading.Event()
    said: list[str] = []

    def read() -> None:
        assert command.stderr
        for line in command.stderr:
            said.append(line)
            told.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert told.wait(30)
        service.start_worker()
        eventually(lambda: service.http.get("/v1/jobs").json()["data"], 60)
        api.kill()
        service.start_api()
        assert command.wait(90) == 0, said
    finally:
        command.kill()
        reader.join()
        service.stop()

    assert "No worker has announced model 'default' yet" in said[0]
    assert command.stdout
    files = command.stdout.read().split()
    assert files == ["a-red-heart-7.png", "a-red-heart-8.png"]
    assert [Image.open(tmp_path / file).size for file in files] == [(64, 64), (64, 64)]
