"""Finished pixels to stored pictures, on a few threads, so that no step waits for a file."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.jobs.images import ImageStore, image_key
from app.jobs.job import StoredImage
from app.jobs.spec import GenerationSpec, OutputFormat
from worker.report import FinishedImage


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture lies in the image store, drawn under this lease."""

    job_id: str
    lease: str
    image: StoredImage


@dataclass(frozen=True, slots=True)
class NotStored:
    """A picture could not be encoded or stored."""

    job_id: str
    lease: str
    error: Exception


class Output:
    """Encodes and stores pictures; each ends as one `Stored` or `NotStored` handed to `done`."""

    def __init__(
        self, images: ImageStore, done: Callable[[Stored | NotStored], None], threads: int = 2
    ) -> None:
        self._images = images
        self._done = done
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="output")

    def store(self, spec: GenerationSpec, lease: str, finished: FinishedImage) -> None:
        """Begin to store one picture; returns at once."""
        self._pool.submit(self._store, spec, lease, finished)

    def close(self) -> None:
        self._pool.shutdown()

    def _store(self, spec: GenerationSpec, lease: str, finished: FinishedImage) -> None:
        job_id = finished.job_id
        try:
            data = encode(finished.pixels, spec.output_format, spec.output_quality)
            key = image_key(job_id, finished.index, spec.output_format)
            self._images.put(key, data)
            height, width, _ = finished.pixels.shape
            image = StoredImage(
                index=finished.index,
                key=key,
                seed=finished.seed,
                width=width,
                height=height,
                content_type=spec.output_format.content_type,
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        except Exception as error:  # the border of one picture: a full disk must not end the others
            self._done(NotStored(job_id, lease, error))
        else:
            self._done(Stored(job_id, lease, image))


def encode(pixels: NDArray[np.uint8], output_format: OutputFormat, quality: int) -> bytes:
    """Pixels `[height, width, 3]` as a file; PNG is lossless and ignores the quality."""
    buffer = BytesIO()
    options = {} if output_format is OutputFormat.PNG else {"quality": quality}
    Image.fromarray(pixels).save(buffer, format=output_format.value, **options)
    return buffer.getvalue()
