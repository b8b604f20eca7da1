"""The denoising engine: many generations, one forward pass a step.

A generation joins and leaves the batch between any two steps, with its own prompt, seed, guidance,
number of steps and scheduler. Knows tensors and specs. Knows nothing of Redis, RQ, HTTP or files.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.jobs.spec import GenerationSpec
from models.pipeline import LatentDiffusionPipeline
from worker.batcher import Batcher
from worker.claim import WEIGHTS, Claim
from worker.cost import FREE, CostCurve
from worker.formation import Formation
from worker.generation import Generation
from worker.report import (
    Failure,
    Finished,
    FinishedImage,
    PreviewImage,
    Progress,
    Report,
    Stats,
    Times,
)

__all__ = [
    "Engine", "Failure", "Finished", "FinishedImage", "NonFiniteLatents", "Progress", "Report",
    "Stats",
]  # fmt: skip


class NonFiniteLatents(ArithmeticError):
    """The denoising ended in NaN or infinity: there is no picture to decode."""


@dataclass(slots=True)
class _Job:
    num_images: int
    total_steps: int
    generations: list[Generation]
    admitted_at: float
    encoded: Times

    def progress(self, job_id: str, num_evaluations: int) -> Progress:
        finished = (self.num_images - len(self.generations)) * num_evaluations
        evaluated = finished + sum(generation.step_index for generation in self.generations)
        step = self.total_steps * evaluated // (num_evaluations * self.num_images)
        return Progress(job_id, step, self.total_steps)


class Engine:
    """Serves many jobs from one pipeline; `len(engine)` counts the jobs inside.

    The law: whatever else is inside, each image is the one that `pipeline(...)` draws alone, within
    rounding, or bit for bit if the engine is exact.
    """

    def __init__(
        self,
        pipeline: LatentDiffusionPipeline,
        max_batch_size: int,
        costs: CostCurve = FREE,
        *,
        exact: bool = False,
        name: str = "",
    ) -> None:
        """An engine with nobody inside.

        Args:
            pipeline: What draws.
            max_batch_size: Guided images in one forward pass; others take half a place.
            costs: Seconds of a forward pass by its rows.
            exact: Every image has forward passes and a scheduler object of its own: the bits of the
                plain loop in any company and on any device, for the price of the batching.
            name: What computes the networks, for the record of what it draws.
        """
        self._pipeline = pipeline
        self._exact = exact
        self.name = f"{name}, exact" if exact else name
        self._formation: Formation | None = None
        self._batcher = Batcher[Generation](max_batch_size, costs)
        self._jobs: dict[str, _Job] = {}
        self._to_preview: set[str] = set()
        self.stats = Stats()

    def __len__(self) -> int:
        return len(self._jobs)

    def admit(
        self,
        job_id: str,
        spec: GenerationSpec,
        skip: Collection[int] = (),
        time_left_s: float | None = None,
        owner: str = "",
    ) -> tuple[str, ...]:
        """Take a job in, less the images in `skip`; it may join the batch at the next step.

        `time_left_s`: until its deadline, if it has one. `owner`: with whom it shares its part.

        Returns what the client should know: parts of the wish that will not be heeded.

        Raises:
            UnsupportedRequest: this model cannot serve the spec.
            ValueError: the job is inside already.
        """
        if job_id in self._jobs:
            raise ValueError(f"job {job_id} is in the engine already")
        admitted_at = self._batcher.clock()
        deadline_at = None if time_left_s is None else admitted_at + time_left_s
        claim = Claim(admitted_at, WEIGHTS[spec.priority], deadline_at, owner=owner)
        began = time.time()
        conditions = self._pipeline.conditions(
            spec.prompt,
            spec.negative_prompt,
            spec.guidance_scale,
            spec.height,
            spec.width,
            tuple((one.name, one.weight) for one in spec.loras),
        )
        encoded = began, time.time()
        generations = [
            Generation(
                self._pipeline, job_id, index, spec, conditions, claim, by_table=not self._exact
            )
            for index in range(spec.num_images)
            if index not in skip
        ]
        self._jobs[job_id] = _Job(
            spec.num_images, spec.num_inference_steps, generations, admitted_at, encoded
        )
        for generation in generations:
            self._batcher.add(generation)
        texts = {"prompt": spec.prompt, "negative_prompt": spec.negative_prompt}
        return tuple(
            f"{field}: longer than this model reads; its end was left out"
            for field, text in texts.items()
            if self._pipeline.truncates(text)
        )

    def cancel(self, job_id: str) -> None:
        """Drop a job and free its places at once; a job that is not inside is no error."""
        job = self._jobs.pop(job_id, None)
        self._to_preview.discard(job_id)
        for generation in job.generations if job else ():
            self._batcher.remove(generation)

    def preview(self, job_id: str) -> None:
        """The next report that moves the job on is to show once where its images are heading."""
        if job_id in self._jobs:
            self._to_preview.add(job_id)

    @torch.inference_mode()
    def step(self) -> Report:
        """Advance the next batch by one evaluation, decode the images that ended with it.

        Raises:
            Exception: the forward pass itself broke; nothing in this process can go on.
        """
        images: list[FinishedImage] = []
        failed: dict[str, Exception] = {}
        previews: list[PreviewImage] = []
        members = self._evaluate(failed, previews)
        for generation in members:
            if not generation.is_done or generation.job_id in failed:
                continue
            try:
                images.append(self._finish(generation))
            except torch.AcceleratorError:  # a broken device is not one job's failure
                raise
            except Exception as error:
                failed[generation.job_id] = error
        for job_id in failed:
            self.cancel(job_id)
        self._to_preview -= {generation.job_id for generation in members}
        return Report(
            progress=self._progress(members),
            images=tuple(images),
            finished=self._settle(),
            failed=tuple(Failure(job_id, error) for job_id, error in failed.items()),
            previews=tuple(previews),
            denoised=len(members),
            rows=sum(generation.num_rows for generation in members),
        )

    def _evaluate(
        self, failed: dict[str, Exception], previews: list[PreviewImage]
    ) -> Sequence[Generation]:
        """One forward pass for as many of the next batch as the device has memory for."""
        batch = self._batcher.next_batch()
        if self._exact:
            batch = batch[:1]
        while batch:
            try:
                formation = self._formed(batch)
                predictions = formation.predict()
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                batch = self._shrunken(batch, error, failed)
                continue
            self._count(formation)
            previews += self._previewed(formation, predictions, failed)
            failed |= formation.advance(predictions)
            return formation.members
        return ()

    def _previewed(
        self, formation: Formation, predictions: Tensor, failed: dict[str, Exception]
    ) -> Iterator[PreviewImage]:
        for place, one in enumerate(formation.members):
            if one.job_id not in self._to_preview:
                continue
            try:
                pixels = formation.preview(place, predictions)
            except torch.AcceleratorError:
                raise
            except Exception as error:
                failed[one.job_id] = error
            else:
                yield PreviewImage(one.job_id, one.index, pixels)

    def _formed(self, batch: list[Generation]) -> Formation:
        """The formation of these members, whatever their order."""
        formation = self._formation
        if formation is None or set(formation.members) != set(batch):
            self._formation = formation = Formation(self._pipeline, batch)
        return formation

    def _shrunken(
        self, batch: list[Generation], error: Exception, failed: dict[str, Exception]
    ) -> list[Generation]:
        """Half of what was too much; who does not fit alone has failed."""
        self.stats.out_of_memory += 1
        self._formation = None
        if len(batch) == 1:
            failed[batch[0].job_id] = error
            return []
        batch = batch[: len(batch) // 2]
        rows = sum(generation.num_rows for generation in batch)
        self._batcher.limit(batch[0].batch_key, rows)
        return batch

    def _finish(self, generation: Generation) -> FinishedImage:
        if not torch.isfinite(generation.latents).all():
            raise NonFiniteLatents("the latents are not finite (NaN or infinity)")
        began = time.time()
        pixels = self._pipeline.decode_latents(generation.latents)
        decoded = began, time.time()
        self._batcher.remove(generation)
        self._jobs[generation.job_id].generations.remove(generation)
        return FinishedImage(generation.job_id, generation.index, generation.seed, pixels, decoded)

    def _progress(self, members: Sequence[Generation]) -> tuple[Progress, ...]:
        evaluations = {one.job_id: one.num_evaluations for one in members}
        return tuple(
            self._jobs[job_id].progress(job_id, num_evaluations)
            for job_id, num_evaluations in evaluations.items()
            if job_id in self._jobs
        )

    def _settle(self) -> tuple[Finished, ...]:
        now = self._batcher.clock()
        ended = {job_id: job for job_id, job in self._jobs.items() if not job.generations}
        for job_id in ended:
            del self._jobs[job_id]
        return tuple(
            Finished(job_id, now - job.admitted_at, self.name, job.encoded)
            for job_id, job in ended.items()
        )

    def _count(self, formation: Formation) -> None:
        distinct = len(set(formation.timesteps()))
        stats = self.stats
        stats.forwards += 1
        stats.rows += formation.num_rows
        stats.most_rows = max(stats.most_rows, formation.num_rows)
        stats.largest_batch = max(stats.largest_batch, len(formation.members))
        stats.most_distinct_timesteps = max(stats.most_distinct_timesteps, distinct)


def _is_out_of_memory(error: BaseException) -> bool:
    # The CPU allocator raises a plain RuntimeError.
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "can't allocate memory" in str(error)
