"""Pictures end with their jobs, and with nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from app.jobs import keys
from app.jobs.expiry import Sweeper
from app.jobs.images import ImageStore, image_key
from app.jobs.spec import OutputFormat
from tests.service import eventually

TTL_S = 3_600


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path.as_uri())


def store(images: ImageStore, folder: Path, job_id: str, age_s: float) -> str:
    key = image_key(job_id, 0, OutputFormat.PNG)
    images.put(key, b"bytes")
    written_at = (folder / key).stat().st_mtime - age_s
    os.utime(folder / key, (written_at, written_at))
    return key


def test_old_pictures_without_a_record_go(redis: Redis, images: ImageStore, tmp_path: Path) -> None:
    gone = store(images, tmp_path, "a" * 32, 2 * TTL_S)
    young = store(images, tmp_path, "b" * 32, TTL_S / 2)
    wanted = store(images, tmp_path, "c" * 32, 2 * TTL_S)
    redis.hset(keys.record("c" * 32), "status", "processing")
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not ours")
    os.utime(foreign, (0, 0))

    assert Sweeper(images, redis, TTL_S).sweep() == 1

    assert [images.get(key) for key in (gone, young, wanted)] == [None, b"bytes", b"bytes"]
    assert foreign.exists()


WRITER = """
import sys
from app.jobs.images import ImageStore
while True:
    ImageStore(sys.argv[1]).put("d" * 32 + "/0.png", bytes(1 << 26))
"""


def killed_in_the_middle(folder: Path) -> Path:
    """What kill -9 leaves of a worker that was writing a picture."""
    own = folder / ("d" * 32)
    while True:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, folder.as_uri()])
        eventually(lambda: list(own.glob("*#*")), every_s=0.001)
        writer.kill()
        writer.wait()
        if left := list(own.glob("*#*")):
            return left[0]


def test_what_a_killed_writer_left_goes_when_it_is_old(
    redis: Redis, images: ImageStore, tmp_path: Path
) -> None:
    left = killed_in_the_middle(tmp_path)
    picture = tmp_path / image_key("d" * 32, 0, OutputFormat.PNG)
    picture.unlink(missing_ok=True)
    sweeper = Sweeper(images, redis, TTL_S)

    assert sweeper.sweep() == 0
    assert left.exists()
    os.utime(left, (0, 0))
    os.utime(left.parent, (0, 0))
    assert sweeper.sweep() == 1
    assert not left.parent.exists()


def test_what_is_being_written_and_what_is_no_picture_of_ours_stays(
    redis: Redis, images: ImageStore, tmp_path: Path
) -> None:
    redis.hset(keys.record("a" * 32), "status", "succeeded")
    kept = store(images, tmp_path, "a" * 32, 2 * TTL_S)
    others = [
        tmp_path / ("a" * 32) / "0.png#1",
        tmp_path / "notes#1",
        tmp_path / "mine" / "notes#1",
    ]
    (tmp_path / "mine").mkdir()
    for path in others:
        path.write_text("")
    for path in others[1:]:
        os.utime(path, (0, 0))

    assert Sweeper(images, redis, TTL_S).sweep() == 0

    assert images.get(kept)
    assert all(path.exists() for path in others)


def test_processes_take_turns(redis: Redis, images: ImageStore, tmp_path: Path) -> None:
    store(images, tmp_path, "a" * 32, 2 * TTL_S)
    one, other = (Sweeper(images, redis, TTL_S) for _ in range(2))

    assert one.sweep_in_turn() == 1
    store(images, tmp_path, "a" * 32, 2 * TTL_S)
    assert other.sweep_in_turn() == 0
    redis.delete(keys.SWEEP)
    assert other.sweep_in_turn() == 1
