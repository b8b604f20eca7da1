"""One image on its way from noise to latents, with a run and a generator of its own.

Knows tensors. Knows nothing of who shares its forward passes, and decides nothing.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from app.jobs.spec import GenerationSpec
from models import schedulers
from models.families import Conditions
from models.pipeline import LatentDiffusionPipeline
from models.schedule_table import ScheduleTable, table_of
from worker.claim import Claim


class Generation:
    """One image of a job. `step_index` counts evaluations: Heun needs 2 n - 1 for n steps.

    Attributes:
        conditions: Of its rows: the negative prompt's first, if it is guided.
        table: Its scheduler's run as numbers; None: the scheduler object itself takes the steps.
        state: `[rows of the table, C, h, w]`: the latents, then the history that the table reads.
    """

    def __init__(
        self,
        pipeline: LatentDiffusionPipeline,
        job_id: str,
        index: int,
        spec: GenerationSpec,
        conditions: tuple[Conditions, ...],
        claim: Claim,
        *,
        by_table: bool = True,
    ) -> None:
        """Draw the noise and lay out the run; its work is added to the job's `claim`.

        Raises:
            UnsupportedRequest: this model cannot serve the spec.
        """
        self.job_id = job_id
        self.index = index
        self.seed = spec.seed + index
        self.step_index = 0
        self.claim = claim
        self.conditions = conditions
        self.guidance_scale = spec.guidance_scale
        self._pipeline = pipeline
        self._scheduler: Any = pipeline.make_scheduler(
            spec.scheduler, spec.num_inference_steps, spec.height, spec.width
        )
        self.num_evaluations = len(self._scheduler.timesteps)
        self._random = torch.Generator("cpu").manual_seed(self.seed)
        latents = pipeline.prepare_latents(self._scheduler, self._random, spec.height, spec.width)
        self.table: ScheduleTable | None = table_of(self._scheduler) if by_table else None
        rows = self.table.rows if self.table else 1
        self.state = latents.new_zeros(rows, *latents.shape[1:], dtype=self._dtype(latents))
        self.state[0] = latents[0]
        self.batch_key: Hashable = pipeline.family.batch_key(latents, conditions[0])
        self.size = spec.height * spec.width / pipeline.card.native_size**2
        claim.add(self.num_evaluations * self.num_rows * self.size)

    @property
    def num_rows(self) -> int:
        """Rows of each of its forward passes."""
        return len(self.conditions)

    @property
    def is_done(self) -> bool:
        return self.step_index == self.num_evaluations

    @property
    def latents(self) -> Tensor:
        """`[1, C, h, w]`."""
        return self.state[:1]

    @property
    def timestep(self) -> float:
        return float(self._scheduler.timesteps[self.step_index])

    def model_input(self) -> Tensor:
        """The latents `[1, C, h, w]` as the model is to see them, by the scheduler object."""
        timestep = self._scheduler.timesteps[self.step_index]
        return schedulers.scale_model_input(self._scheduler, self.latents, timestep)

    def step(self, noise_pred: Tensor) -> None:
        """One evaluation further by the scheduler object; `noise_pred`: `[1, C, h, w]`."""
        timestep = self._scheduler.timesteps[self.step_index]
        self.state = self._pipeline.step(
            self._scheduler, noise_pred, timestep, self.latents, self._random
        )
        self.count()

    def draw_noise(self) -> Tensor:
        """Noise `[C, h, w]` for the next evaluation, in the order of the plain loop."""
        dtype = self._pipeline.family.dtype
        return torch.randn(self.state.shape[1:], generator=self._random, dtype=dtype)

    def count(self) -> None:
        """One evaluation is done."""
        self.step_index += 1
        self.claim.work_left -= self.num_rows * self.size

    def _dtype(self, latents: Tensor) -> torch.dtype:
        return torch.float32 if self.table else latents.dtype
