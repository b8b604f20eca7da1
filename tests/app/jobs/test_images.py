"""Pictures in a folder, under keys that are ours alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.jobs.images import ImageStore, content_type, image_key, image_keys, is_image_key
from app.jobs.spec import OutputFormat
from tests.app.front_end import make_spec

JOB = "0123456789abcdef" * 2


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore((tmp_path / "a folder é").as_uri())


def test_a_picture_is_kept_until_it_is_deleted(images: ImageStore) -> None:
    key = image_key(JOB, 0, OutputFormat.PNG)

    images.put(key, b"first")
    images.put(key, b"second")

    assert images.get(key) == b"second"
    images.delete([key, key])
    assert images.get(key) is None


def test_what_an_attempt_has_written_no_other_writes_over(images: ImageStore) -> None:
    key, began = image_key(JOB, 0, OutputFormat.PNG), datetime.now(UTC)

    assert images.put(key, b"first", began) == b"first"
    assert images.put(key, b"late", began) == b"first"

    assert images.get(key) == b"first"


def test_an_earlier_jobs_picture_under_the_same_id_gives_way(images: ImageStore) -> None:
    key = image_key(JOB, 0, OutputFormat.PNG)
    images.put(key, b"of long ago")

    images.put(key, b"new", datetime.now(UTC) + timedelta(minutes=1))

    assert images.get(key) == b"new"


def test_the_folder_is_the_one_the_url_names(images: ImageStore, tmp_path: Path) -> None:
    images.put(image_key(JOB, 3, OutputFormat.WEBP), b"bytes")

    assert (tmp_path / "a folder é" / JOB / "3.webp").read_bytes() == b"bytes"


@pytest.mark.parametrize("form", list(OutputFormat))
def test_keys_are_ours_and_know_their_type(form: OutputFormat) -> None:
    keys = image_keys(JOB, make_spec(num_images=8, output_format=form))

    assert len(set(keys)) == 8
    assert all(is_image_key(key) for key in keys)
    assert {content_type(key) for key in keys} == {form.content_type}


@pytest.mark.parametrize(
    "key",
    [
        "",
        JOB,
        f"{JOB}/8.png",
        f"{JOB}/0.gif",
        f"{JOB}/00.png",
        f"{JOB.upper()}/0.png",
        f"/{JOB}/0.png",
        f"../{JOB}/0.png",
        f"{JOB}/../{JOB}/0.png",
        f"{JOB}/0.png\n",
        f"{JOB}/0.png\x00",
        f"{JOB}/\u0660.png",
    ],
)
def test_anything_else_is_no_key(key: str) -> None:
    assert not is_image_key(key)
