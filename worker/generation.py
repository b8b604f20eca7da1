"""One image on its way from noise to latents, with a scheduler and a generator of its own.

Knows tensors. Knows nothing of who shares its forward passes, and decides nothing.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from app.jobs.spec import GenerationSpec
from models import schedulers
from models.families import Conditions, Row
from models.pipeline import LatentDiffusionPipeline, Pixels
from worker.claim import Claim


class Generation:
    """One image of a job. `step_index` counts evaluations: Heun needs 2 n - 1 for n steps."""

    def __init__(
        self,
        pipeline: LatentDiffusionPipeline,
        job_id: str,
        index: int,
        spec: GenerationSpec,
        conditions: tuple[Conditions, ...],
        claim: Claim,
    ) -> None:
        """Draw the noise and lay out the run; `conditions`: the negative ones first, if guided.

        Its work is added to the job's `claim`.

        Raises:
            UnsupportedRequest: this model cannot serve the spec.
        """
        self.job_id = job_id
        self.index = index
        self.seed = spec.seed + index
        self.step_index = 0
        self.claim = claim
        self._pipeline = pipeline
        self._conditions = conditions
        self._guidance_scale = spec.guidance_scale
        self._scheduler: Any = pipeline.make_scheduler(
            spec.scheduler, spec.num_inference_steps, spec.height, spec.width
        )
        self._random = torch.Generator("cpu").manual_seed(self.seed)
        self.latents = pipeline.prepare_latents(
            self._scheduler, self._random, spec.height, spec.width
        )
        self.size = spec.height * spec.width / pipeline.card.native_size**2
        claim.work_left += self.num_evaluations * self.num_rows * self.size

    @property
    def num_rows(self) -> int:
        """Rows of each of its forward passes."""
        return len(self._conditions)

    @property
    def batch_key(self) -> Hashable:
        """Generations of equal keys fit into one forward pass."""
        return self.latents.shape[1:], self._conditions[0].prompt_embeds.shape[1:]

    @property
    def num_evaluations(self) -> int:
        return len(self._scheduler.timesteps)

    @property
    def is_done(self) -> bool:
        return self.step_index == self.num_evaluations

    @property
    def timestep(self) -> Tensor:
        return self._scheduler.timesteps[self.step_index]

    def rows(self) -> list[Row]:
        """This step's rows of the forward pass: negative prompt (if guided), then prompt."""
        scaled = schedulers.scale_model_input(self._scheduler, self.latents, self.timestep)
        return [Row(scaled, self.timestep, one) for one in self._conditions]

    def advance(self, predictions: list[Tensor]) -> None:
        """Take the predictions `[1, C, h, w]` of `rows()` and go one evaluation further."""
        noise_pred = self._guided(predictions)
        self.latents = self._pipeline.step(
            self._scheduler, noise_pred, self.timestep, self.latents, self._random
        )
        self.step_index += 1
        self.claim.work_left -= self.num_rows * self.size

    def preview(self, predictions: list[Tensor]) -> Pixels:
        """A small picture of where the predictions of `rows()` point; before `advance`."""
        scaled = schedulers.scale_model_input(self._scheduler, self.latents, self.timestep)
        return self._pipeline.preview(scaled, self._guided(predictions), self.timestep)

    def _guided(self, predictions: list[Tensor]) -> Tensor:
        noise_pred = predictions[-1]
        if len(predictions) == 2:
            negative = predictions[0]
            noise_pred = negative + self._guidance_scale * (noise_pred - negative)
        return noise_pred
