"""AUTOMATIC1111's bodies. Its clients send everything they know, so unknown fields are let pass,
and what is asked for and cannot be done becomes a warning.
"""

import base64
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.errors import FieldError, InvalidRequest
from app.jobs.catalogue import ModelInfo
from app.jobs.job import Dialect, Job, JobStatus
from app.routes.a1111.samplers import display_name, scheduler_of
from app.stories import TOOL, parameters
from app.translation import Wish

NAMES = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "scheduler": "sampler_name",
    "num_images": "batch_size * n_iter",
    "model": "override_settings.sd_model_checkpoint",
}
RANDOM = -1


class Txt2Img(BaseModel):
    """The body of `POST /sdapi/v1/txt2img`, as far as it matters here."""

    model_config = ConfigDict(extra="allow")

    prompt: Any = ""
    negative_prompt: Any = None
    seed: Any = None
    steps: Any = None
    cfg_scale: Any = None
    width: Any = None
    height: Any = None
    batch_size: int | None = None
    n_iter: int | None = None
    sampler_name: str | None = None
    sampler_index: str | None = None  # the older name of the same
    scheduler: str | None = None
    override_settings: dict[str, Any] | None = None
    send_images: bool | None = None
    force_task_id: str | None = Field(default=None, min_length=1, max_length=255)

    @property
    def checkpoint(self) -> str | None:
        """The title of the model wanted for this picture alone."""
        return (self.override_settings or {}).get("sd_model_checkpoint") or None

    def to_wish(self, model: ModelInfo, job_id: str | None) -> Wish:
        sampler = self.sampler_name or self.sampler_index
        scheduler, warnings = scheduler_of(sampler, self.scheduler, model)
        fields = {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "model": model.id,
            "width": self.width or None,
            "height": self.height or None,
            "num_images": self._count(),
            "num_inference_steps": self.steps,
            "guidance_scale": self.cfg_scale,
            "scheduler": scheduler,
            "seed": None if self.seed == RANDOM else self.seed,
        }
        warnings += [f"{name}: is not heeded" for name in self._unheeded()]
        return Wish(Dialect.A1111, fields, NAMES, fits=True, warnings=warnings, job_id=job_id)

    def _count(self) -> int:
        counts = {"batch_size": self.batch_size, "n_iter": self.n_iter}
        for name, value in counts.items():
            if value is not None and value < 1:
                raise InvalidRequest(FieldError(field=name, message="must be at least 1"))
        return (self.batch_size or 1) * (self.n_iter or 1)

    def _unheeded(self) -> list[str]:
        """Fields that ask for what is not done here."""
        asked = self.model_extra or {}
        wanted = "enable_hr", "restore_faces", "tiling", "styles", "script_name", "alwayson_scripts"
        return [name for name in (*wanted, "subseed_strength") if asked.get(name)]


def result(job: Job, files: list[bytes], asked: Txt2Img) -> dict[str, Any]:
    """The answer: pictures as bare base64, and `info` as a text of JSON, as their clients need."""
    images = [base64.b64encode(file).decode() for file in files]
    return {
        "images": [] if asked.send_images is False else images,
        "parameters": asked.model_dump(mode="json"),
        "info": json.dumps(info(job)),
    }


def info(job: Job) -> dict[str, Any]:
    """What `info` says, for every picture that there is."""
    spec, seeds = job.spec, [image.seed for image in job.images]
    prompts, negatives = [spec.prompt] * len(seeds), [spec.negative_prompt] * len(seeds)
    return {
        "prompt": spec.prompt,
        "all_prompts": prompts,
        "negative_prompt": spec.negative_prompt,
        "all_negative_prompts": negatives,
        "seed": spec.seed,
        "all_seeds": seeds,
        "subseed": RANDOM,
        "all_subseeds": [RANDOM] * len(seeds),
        "subseed_strength": 0,
        "width": spec.width,
        "height": spec.height,
        "sampler_name": display_name(spec.scheduler),
        "cfg_scale": spec.guidance_scale,
        "steps": spec.num_inference_steps,
        "batch_size": spec.num_images,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": spec.model,
        "sd_model_hash": None,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": RANDOM,
        "seed_resize_from_h": RANDOM,
        "denoising_strength": None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [parameters.write(spec, image.index) for image in job.images],
        "styles": [],
        "job_timestamp": stamp(job),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "version": TOOL,
        "interrupted": job.status is JobStatus.CANCELED,
        "warnings": job.warnings,
        "job_id": job.id,
    }


def stamp(job: Job) -> str:
    return job.created_at.strftime("%Y%m%d%H%M%S")
