"""The command line against real parts: a worker that is still loading, a restart, pictures."""

import os
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.service import Process, Service, Store, eventually

pytestmark = pytest.mark.timeout(300)


def test_it_waits_for_the_worker_and_outlives_the_api(
    store: Store, checkpoint: Path, tmp_path: Path
) -> None:
    service = Service(store, checkpoint, tmp_path, job_lease_s="2")
    api = service.start_api()
    folder = tmp_path / "pictures"
    folder.mkdir()
    wish = ("a red heart", "-n", "2", "--steps", "150", "--seed", "7", "-o", str(folder))
    command = Process(
        [sys.executable, "-m", "app.cli", "generate", *wish],
        {**os.environ, "DARKROOM_URL": service.url},
        tmp_path / "command.log",
    )
    try:
        eventually(lambda: "No worker has announced model 'default' yet" in command.said(), 60)
        service.start_worker(wait=False)
        eventually(lambda: service.http.get("/v1/jobs").json()["data"], 120)
        api.kill()
        service.start_api()
        assert command.wait(120) == 0, command.said()
    finally:
        command.stop()
        service.stop()

    files = [folder / "a-red-heart-7.png", folder / "a-red-heart-8.png"]
    assert [line for line in command.said().splitlines() if line in map(str, files)] == [
        str(file) for file in files
    ]
    assert [Image.open(BytesIO(file.read_bytes())).size for file in files] == [(64, 64), (64, 64)]
