"""What only the worker needs to be told, beside the settings that all processes share."""

from pathlib import Path
from typing import Literal

from pydantic import Field

import models
from app.settings import BUILT_IN, Settings


class WorkerSettings(Settings):
    """Settings of one worker process.

    Attributes:
        device: `auto` takes the GPU if there is one; `cuda` refuses to start without.
        dtype: `auto` is float32 on a CPU and bfloat16 on a GPU.
        niceness: On a CPU, how much the worker leaves to whoever shares the machine; 0: nothing.
        threads: Threads of one tensor operation on a CPU; unset leaves it to torch.
        max_batch_size: Guided images denoised together; others take half a place.
        max_inside: Images taken from the queue at once, being denoised or overtaken by shorter
            work; unset is four times `max_batch_size`.
        stall_s: A step that takes longer means a hung device: the process ends.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    niceness: int = Field(default=15, ge=0, le=19)
    threads: int | None = Field(default=None, ge=1)
    max_batch_size: int = Field(default=8, ge=1, le=256)
    max_inside: int | None = Field(default=None, ge=1, le=1024)
    stall_s: float = Field(default=120.0, gt=0)

    @property
    def slots(self) -> int:
        """Images that may be inside the engine."""
        return self.max_inside or 4 * self.max_batch_size

    def checkpoint(self, model_id: str) -> Path:
        """The folder of a model."""
        path = self.model_paths[model_id]
        return Path(models.__path__[0]) / "default" if path == BUILT_IN else Path(path)
