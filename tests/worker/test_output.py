"""Pixels become files that other software reads, and a full store harms one picture alone."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.jobs.images import ImageStore
from app.jobs.spec import OutputFormat
from tests.worker.in_hand import a_job
from worker.output import NotStored, Output, Stored, encode
from worker.report import FinishedImage

Heard = SimpleQueue[Stored | NotStored]


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """A smooth picture `[48, 64, 3]`, such as lossy formats are made for."""
    rows, columns = np.mgrid[0:48, 0:64]
    return np.stack([rows * 5, columns * 4, rows + columns], axis=-1).astype(np.uint8)


@pytest.fixture
def heard() -> Heard:
    return SimpleQueue()


@pytest.fixture
def output(tmp_path: Path, heard: Heard) -> Iterator[Output]:
    output = Output(ImageStore((tmp_path / "images").as_uri()), heard.put)
    yield output
    output.close()


@pytest.mark.parametrize("output_format", OutputFormat)
def test_every_format_is_what_it_says_and_shows_the_picture(
    output_format: OutputFormat, pixels: NDArray[np.uint8]
) -> None:
    picture = Image.open(BytesIO(encode(pixels, output_format, 90, "")))

    assert picture.format == output_format.name
    assert picture.size == (64, 48)
    difference = np.abs(np.asarray(picture.convert("RGB")).astype(int) - pixels)
    assert difference.mean() <= (0 if output_format is OutputFormat.PNG else 3)


def test_a_lower_quality_makes_a_smaller_file(pixels: NDArray[np.uint8]) -> None:
    for lossy in (OutputFormat.JPEG, OutputFormat.WEBP):
        assert len(encode(pixels, lossy, 20, "")) < len(encode(pixels, lossy, 95, ""))
    assert encode(pixels, OutputFormat.PNG, 20, "") == encode(pixels, OutputFormat.PNG, 95, "")


def test_a_stored_picture_is_described_as_it_lies_there(
    output: Output, heard: Heard, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    job = a_job(num_images=3, output_format=OutputFormat.WEBP)
    output.store(job, "a-lease", FinishedImage("a-lease", 2, 9, pixels))

    stored = heard.get(timeout=5)

    assert isinstance(stored, Stored)
    assert (stored.job_id, stored.lease) == (job.id, "a-lease")
    image = stored.image
    data = (tmp_path / "images" / image.key).read_bytes()
    assert (image.index, image.seed, image.width, image.height) == (2, 9, 64, 48)
    assert (image.content_type, image.bytes) == ("image/webp", len(data))
    assert image.sha256 == hashlib.sha256(data).hexdigest()


def test_a_second_attempt_describes_the_picture_that_the_first_has_left(
    output: Output, heard: Heard, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    job, described = a_job(), list[str]()
    for picture in (pixels, 255 - pixels):  # a lost attempt's, which nobody was told of, and ours
        output.store(job, "a-lease", FinishedImage("a-lease", 0, 9, picture))
        stored = heard.get(timeout=5)
        assert isinstance(stored, Stored)
        described.append(stored.image.sha256)

    data = (tmp_path / "images" / stored.image.key).read_bytes()
    assert described == [hashlib.sha256(data).hexdigest()] * 2


def test_a_picture_that_cannot_be_stored_harms_no_other(
    output: Output, heard: Heard, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    unlucky, lucky = a_job(), a_job()
    (tmp_path / "images" / unlucky.id).write_text("a file where a folder should be")
    for job in (unlucky, lucky):
        output.store(job, f"lease-{job.id}", FinishedImage("", 0, 1, pixels))

    ended = {event.job_id: event for event in (heard.get(timeout=5), heard.get(timeout=5))}

    assert isinstance(ended[unlucky.id], NotStored)
    assert isinstance(ended[lucky.id], Stored)
