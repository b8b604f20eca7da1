"""Pictures end with their jobs, and with nothing else."""

import os
from pathlib import Path

import pytest
from redis import Redis

from app.jobs import keys
from app.jobs.expiry import Sweeper
from app.jobs.images import ImageStore, image_key
from app.jobs.spec import OutputFormat

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


def test_processes_take_turns(redis: Redis, images: ImageStore, tmp_path: Path) -> None:
    store(images, tmp_path, "a" * 32, 2 * TTL_S)
    one, other = (Sweeper(images, redis, TTL_S) for _ in range(2))

    assert one.sweep_in_turn() == 1
    store(images, tmp_path, "a" * 32, 2 * TTL_S)
    assert other.sweep_in_turn() == 0
    redis.delete(keys.SWEEP)
    assert other.sweep_in_turn() == 1
