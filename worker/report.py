"""What one step of the engine brought about: plain frozen data for whoever drives it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = tuple[float, float]  # when a part began and ended, in seconds since 1970
NEVER: Times = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Denoising steps done of a job: the mean over its images, rounded down."""

    job_id: str
    step: int
    total_steps: int


@dataclass(frozen=True, slots=True, eq=False)
class FinishedImage:
    """Image `index` of a job: pixels `[height, width, 3]`, drawn from `seed`."""

    job_id: str
    index: int
    seed: int
    pixels: NDArray[np.uint8]
    decoded: Times = NEVER


@dataclass(frozen=True, slots=True, eq=False)
class PreviewImage:
    """What image `index` of a job is going to be: small pixels `[height, width, 3]`."""

    job_id: str
    index: int
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Finished:
    """A job whose last image is in.

    Attributes:
        engine_s: From its admission to here.
        engine: What drew it: runtime, version and mode.
        encoded: When its prompts were.
    """

    job_id: str
    engine_s: float
    engine: str = ""
    encoded: Times = NEVER


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that ended early; the others are not touched."""

    job_id: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Report:
    """One step: the jobs that moved on, the images and jobs that ended with it.

    Attributes:
        denoised: Images in the forward pass; `rows` of it altogether.
    """

    progress: tuple[Progress, ...] = ()
    images: tuple[FinishedImage, ...] = ()
    finished: tuple[Finished, ...] = ()
    failed: tuple[Failure, ...] = ()
    previews: tuple[PreviewImage, ...] = ()
    denoised: int = 0
    rows: int = 0


@dataclass(slots=True)
class Stats:
    """Counts since the engine's start; a proof that generations do share forward passes."""

    forwards: int = 0
    rows: int = 0
    most_rows: int = 0
    largest_batch: int = 0
    most_distinct_timesteps: int = 0
    out_of_memory: int = 0
