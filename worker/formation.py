"""The tensors of one batch, laid out once for as long as its members stay the same.

Members that go by a table are advanced together: coefficients times (prediction, noise, old state),
column by column, each product and each sum rounded by itself. So no bit of an image depends on who
else is in the batch, nor on how the machine splits a tensor. The others ask their schedulers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.pipeline import LatentDiffusionPipeline, Pixels
from worker.generation import Generation


class Formation:
    """A batch on its way; `members` are in the order of its rows."""

    def __init__(self, pipeline: LatentDiffusionPipeline, members: Sequence[Generation]) -> None:
        """`members`: at least one, all of one batch key, none of them done."""
        self._pipeline = pipeline
        self._tabled = [one for one in members if one.table]
        self._others = [one for one in members if not one.table]
        self.members = tuple(self._tabled + self._others)
        self._device, self._dtype = pipeline.family.device, pipeline.family.dtype
        self._conditions = pipeline.join([c for one in self.members for c in one.conditions])
        self._lay_out_rows()
        if self._tabled:
            self._lay_out_tables()

    @property
    def num_rows(self) -> int:
        return len(self._owner)

    def timesteps(self) -> list[float]:
        """Of each member."""
        told = [one.table.timesteps[one.step_index] for one in self._tabled if one.table]
        return told + [one.timestep for one in self._others]

    def predict(self) -> Tensor:
        """One forward pass: the guided predictions `[members, C, h, w]`."""
        inputs = [one.model_input() for one in self._others]
        if self._tabled:
            scaled = self._state[:, 0] * self._scales[self._evaluation]
            inputs.insert(0, scaled.to(self._dtype))
        self._inputs = torch.cat(inputs) if len(inputs) > 1 else inputs[0]
        timesteps = self.timesteps()
        noise_pred = self._pipeline.forward(
            self._inputs.index_select(0, self._owner),
            [timesteps[member] for member in self._owners],
            self._conditions,
        )
        negative = noise_pred.index_select(0, self._negative)
        positive = noise_pred.index_select(0, self._positive)
        # An unguided member has one row, which is both.
        return negative + self._guidance * (positive - negative)

    def preview(self, place: int, predictions: Tensor) -> Pixels:
        """A small picture of where this member is heading; after `predict`, before `advance`."""
        one = slice(place, place + 1)
        timestep = torch.tensor(self.timesteps()[place])
        return self._pipeline.preview(self._inputs[one], predictions[one], timestep)

    def advance(self, predictions: Tensor) -> dict[str, Exception]:
        """All members one evaluation further; errors by the jobs whose schedulers broke."""
        if self._tabled:
            self._advance_tables(predictions[: len(self._tabled)].float())
        failed: dict[str, Exception] = {}
        for row, one in enumerate(self._others, start=len(self._tabled)):
            try:
                one.step(predictions[row : row + 1])
            except torch.AcceleratorError:  # a broken device is not one job's failure
                raise
            except Exception as error:
                failed[one.job_id] = error
        return failed

    def _advance_tables(self, predictions: Tensor) -> None:
        coefficients = self._coefficients[self._evaluation]
        columns = [predictions, self._noise(), *self._state.unbind(1)]
        new = self._new
        new.zero_()
        for k, column in enumerate(columns):
            if column is not None:
                torch.mul(coefficients[:, :, k], column[:, None], out=self._product)
                new.add_(self._product)
        self._state.copy_(new)
        self._evaluation += 1
        for one in self._tabled:
            one.count()

    def _noise(self) -> Tensor | None:
        """Noise for those who draw it now, zero for the others; None if nobody does."""
        drawing = [
            (i, one)
            for i, one in enumerate(self._tabled)
            if one.table and one.table.draws_noise[one.step_index]
        ]
        if not drawing:
            return None
        noise = torch.zeros_like(self._state[:, 0])
        for i, one in drawing:
            noise[i] = one.draw_noise()
        return noise

    def _lay_out_rows(self) -> None:
        counts = [one.num_rows for one in self.members]
        self._owners = [member for member, rows in enumerate(counts) for _ in range(rows)]
        last = [sum(counts[: i + 1]) - 1 for i in range(len(counts))]
        first = [row - rows + 1 for row, rows in zip(last, counts, strict=True)]
        self._owner, self._negative, self._positive = (
            torch.tensor(rows, device=self._device) for rows in (self._owners, first, last)
        )
        guidance = [one.guidance_scale for one in self.members]
        self._guidance: Tensor | float = guidance[
            0
        ]  # the arithmetic of the plain loop, in any dtype
        if len(guidance) > 1:
            self._guidance = torch.tensor(guidance, device=self._device)[:, None, None, None]

    def _lay_out_tables(self) -> None:
        """Copy the members' state side by side and have them look at their place in it."""
        tables = [one.table for one in self._tabled if one.table]
        width = max(table.rows for table in tables)
        first = self._tabled[0].state
        self._state = first.new_zeros(len(tables), width, *first.shape[1:])
        self._new, self._product = (torch.empty_like(self._state) for _ in range(2))
        runs = min(one.num_evaluations - one.step_index for one in self._tabled)
        coefficients = torch.zeros(runs, len(tables), width, 2 + width)
        scales = torch.zeros(runs, len(tables))
        for i, (one, table) in enumerate(zip(self._tabled, tables, strict=True)):
            ahead = slice(one.step_index, one.step_index + runs)
            coefficients[:, i, : table.rows, : 2 + table.rows] = table.coefficients[ahead]
            scales[:, i] = table.input_scales[ahead]
            self._state[i, : table.rows] = one.state
            one.state = self._state[i, : table.rows]
        self._coefficients = coefficients.to(self._device)[..., None, None, None]
        self._scales = scales.to(self._device)[..., None, None, None]
        self._evaluation = 0
