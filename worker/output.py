"""Finished pixels to stored pictures, on a few threads, so that no step waits for a file."""

import base64
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from app.jobs.images import ImageStore, image_key
from app.jobs.job import Job, StoredImage
from app.jobs.spec import OutputFormat
from app.stories import parameters, xmp
from worker.report import NEVER, FinishedImage, PreviewImage, Times
from worker.safety import Look
from worker.seal import Seal

log = logging.getLogger(__name__)

PREVIEW_SIDE, PREVIEW_QUALITY = 256, 70


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture lies in the image store, drawn under this lease."""

    job_id: str
    lease: str
    image: StoredImage
    stored: Times = NEVER


@dataclass(frozen=True, slots=True)
class NotStored:
    """A picture could not be encoded or stored."""

    job_id: str
    lease: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Previewed:
    """What image `index` of the lease's job is becoming, as a data URL."""

    lease: str
    index: int
    data_url: str


@dataclass(frozen=True)
class Telling:
    """What pictures say of themselves beside their settings and their mark."""

    embed_prompt: bool = True
    seal: Seal | None = None


class Output:
    """Encodes and stores pictures; each ends as one `Stored` or `NotStored` handed to `done`."""

    def __init__(
        self,
        images: ImageStore,
        done: Callable[[Stored | NotStored | Previewed], None],
        threads: int = 2,
        *,
        telling: Telling | None = None,
        look: Look | None = None,
    ) -> None:
        self._images = images
        self._done = done
        self._telling = telling or Telling()
        self._look = look
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="output")
        self._pool.submit(_warm_up)

    def store(self, job: Job, lease: str, finished: FinishedImage) -> None:
        """Begin to store one picture of the job; returns at once."""
        self._pool.submit(self._store, job, lease, finished)

    def preview(self, preview: PreviewImage) -> None:
        """Begin to encode one preview; returns at once. What is looked at is not shown before."""
        if self._look is None:
            self._pool.submit(self._preview, preview)

    def close(self) -> None:
        """Wait for what was begun."""
        self._pool.shutdown()

    def _store(self, job: Job, lease: str, finished: FinishedImage) -> None:
        spec, began = job.spec, time.time()
        try:
            if self._look:
                self._look(finished.pixels)
            telling = self._telling
            story = parameters.write(spec, finished.index, with_prompt=telling.embed_prompt)
            data = encode(finished.pixels, spec.output_format, spec.output_quality, story)
            if telling.seal:
                data = telling.seal.sign(data, spec.output_format)
            key = image_key(job.id, finished.index, spec.output_format)
            data = self._images.put(key, data, job.created_at)
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
            self._done(NotStored(job.id, lease, error))
        else:
            self._done(Stored(job.id, lease, image, (began, time.time())))

    def _preview(self, preview: PreviewImage) -> None:
        try:
            self._done(Previewed(preview.job_id, preview.index, data_url(preview.pixels)))
        except Exception:  # the picture itself does not depend on it
            log.exception("preview.not_encoded id=%s", preview.job_id)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Pixels `[height, width, 3]` as a small WebP, 256 pixels at the longer side at most."""
    picture, buffer = Image.fromarray(pixels), BytesIO()
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    picture.save(buffer, format="webp", quality=PREVIEW_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def encode(
    pixels: NDArray[np.uint8], output_format: OutputFormat, quality: int, story: str
) -> bytes:
    """Pixels `[height, width, 3]` as a file that tells how it was made and that a model made it.

    The same pixels and story are the same bytes. PNG is lossless and ignores the quality.
    """
    buffer = BytesIO()
    if output_format is OutputFormat.PNG:
        options: dict[str, Any] = {"pnginfo": _png_info(story)}
    else:
        options = {"quality": quality, "exif": _exif(story), "xmp": xmp.write()}
    Image.fromarray(pixels).save(buffer, format=output_format.value, **options)
    return buffer.getvalue()


def _png_info(story: str) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", story)  # tEXt where Latin-1 will do, else iTXt
    info.add_itxt("XML:com.adobe.xmp", xmp.write().decode())
    return info


def _exif(story: str) -> bytes:
    exif = Image.Exif()
    exif.endian = ">"  # of the text too: readers take the one for the other
    comment = b"UNICODE\0" + story.encode("utf-16-be", "replace")
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: comment}
    return exif.tobytes()


def _warm_up() -> None:
    """Pillow imports its formats with the first picture: better now than while a client waits."""
    for output_format in OutputFormat:
        encode(np.zeros((8, 8, 3), np.uint8), output_format, 90, "")
