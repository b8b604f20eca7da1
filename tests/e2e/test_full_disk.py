"""A disk that fills up, and has room again: clean refusals meanwhile, and nothing to be mended."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.app.front_end import assert_problem, serving
from tests.e2e.witness import assert_all_succeeded, assert_well_told, events
from tests.service import Service, Store, eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes of their own, where the system lets us mount any."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting is refused here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Use up the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(4_096))
        except OSError:
            return filler


def test_pictures_that_find_no_room_fail_their_jobs_until_there_is_some(
    store: Store, checkpoint: Path, tmp_path: Path, small_disk: Path
) -> None:
    images = small_disk / "images"
    service = Service(store, checkpoint, tmp_path, store_url=images.as_uri())
    try:
        service.start_api()
        worker = service.start_worker()
        filler = fill(small_disk)
        failed = service.finished(service.submit(num_inference_steps=2, num_images=2)["id"])
        filler.unlink()
        (tmp_path / "images").symlink_to(images)
        again = service.submit(num_inference_steps=2)["id"]

        assert failed["status"] == "failed"
        assert failed["error"] == {
            "code": "generation_failed",
            "message": "The picture could not be stored.",
        }
        assert_well_told(events(store.redis, failed["id"]))
        assert_all_succeeded(service, [again])
        assert worker.is_alive
        assert [path for path in images.rglob("*") if path.is_file()] == [images / again / "0.png"]
    finally:
        service.stop()


def test_a_store_whose_log_finds_no_room_is_a_503_until_there_is_some(
    tmp_path: Path, small_disk: Path
) -> None:
    store = Store(small_disk)
    try:
        with serving(Settings(redis_url=store.url, data_dir=tmp_path)) as front_end:
            front_end.announce()
            kept = front_end.submit()["id"]
            filler = fill(small_disk)

            def refused() -> httpx.Response | None:
                answer = front_end.post(metadata={"much": "a" * 500})
                return None if answer.status_code == 202 else answer

            problem = eventually(refused)
            assert_problem(problem, 503, "unavailable")
            assert int(problem.headers["retry-after"]) >= 1
            assert front_end.get(kept)["status"] == "queued"
            filler.unlink()
            eventually(lambda: front_end.post().status_code == 202)
    finally:
        store.stop()
