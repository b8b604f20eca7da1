"""A scheduler's whole run as numbers, read off diffusers' own object.

Every evaluation of the usual schedulers is linear in the prediction, the noise, the latents and the
history kept of earlier evaluations. Unit vectors sent through the unmodified object show the
coefficients; a random run then shows whether the object really is linear. Knows no pipelines.
"""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from models import schedulers
from models.schedulers import Scheduler

UNITS = 16  # the prediction, the noise, the latents and up to 13 rows of history
LIKENESS = 1e-5  # of the largest latent: how near a random run must come to the object's
FIRST_HISTORY = 3

Slot = tuple[str, int | None]  # where the object keeps a row of history: attribute, place in it


@dataclass(frozen=True, slots=True, eq=False)
class ScheduleTable:
    """One run of n evaluations over a state of `rows` rows: the latents, then the history.

    Attributes:
        timesteps: What the model is told, `[n]`.
        input_scales: The model sees the latents times this, `[n]`.
        coefficients: New state rows by (prediction, noise, old state rows): `[n, rows, 2 + rows]`.
        draws_noise: Whether the evaluation draws noise, `[n]`.
    """

    timesteps: tuple[float, ...]
    input_scales: Tensor
    coefficients: Tensor
    draws_noise: tuple[bool, ...]

    @property
    def rows(self) -> int:
        return self.coefficients.shape[1]


class _Fingerprint:
    """Equal for schedulers whose runs are equal; carries the object itself."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        sigmas = getattr(scheduler, "sigmas", ())
        run = tuple(float(v) for table in (scheduler.timesteps, sigmas) for v in table)
        self._parts = (type(scheduler), repr(sorted(scheduler.config.items())), run)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fingerprint) and self._parts == other._parts


def table_of(scheduler: Scheduler) -> ScheduleTable | None:
    """The table of a scheduler whose run is laid out but not begun; None if it is not linear."""
    return _table_of(_Fingerprint(scheduler))


@lru_cache(maxsize=256)
def _table_of(fingerprint: _Fingerprint) -> ScheduleTable | None:
    scheduler = fingerprint.scheduler
    try:
        table = _pruned(_read_off(copy.deepcopy(scheduler)))
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError):
        return None
    return table if _is_faithful(table, copy.deepcopy(scheduler)) else None


def _read_off(scheduler: Scheduler) -> ScheduleTable:
    units = torch.eye(UNITS).reshape(UNITS, 1, UNITS, 1, 1)
    slots: list[Slot] = []
    scales: list[float] = []
    draws: list[bool] = []
    evaluations: list[dict[int, Tensor]] = []
    for timestep in scheduler.timesteps:
        for slot, _ in _history(scheduler):
            _write(scheduler, slot, units[_number(slots, slot)].clone())
        latents = units[2].clone()
        scaled = schedulers.scale_model_input(scheduler, latents, timestep)
        with _noise_drawn_as(scheduler, units[1]) as drawn:
            new = schedulers.step(scheduler, units[0].clone(), timestep, latents, torch.Generator())
        scales.append(float(scaled.flatten()[2]))
        draws.append(bool(drawn))
        rows = {2: new} | {_number(slots, slot): value for slot, value in _history(scheduler)}
        evaluations.append({number: row.flatten().float() for number, row in rows.items()})
    width = FIRST_HISTORY + len(slots)
    coefficients = torch.zeros(len(evaluations), width - 2, width)
    for table, rows in zip(coefficients, evaluations, strict=True):
        for number, row in rows.items():
            table[number - 2] = row[:width]
    timesteps = tuple(float(t) for t in scheduler.timesteps)
    return ScheduleTable(timesteps, torch.tensor(scales), coefficients, tuple(draws))


def _history(scheduler: Scheduler) -> Iterator[tuple[Slot, Tensor]]:
    """The latents-shaped tensors that the object keeps from one evaluation to the next."""

    def is_row(value: Any) -> bool:
        return torch.is_tensor(value) and value.shape == (1, UNITS, 1, 1)

    for name, value in sorted(vars(scheduler).items()):
        if is_row(value):
            yield (name, None), value
        elif isinstance(value, list):
            yield from (((name, i), item) for i, item in enumerate(value) if is_row(item))


def _write(scheduler: Scheduler, slot: Slot, value: Tensor) -> None:
    name, place = slot
    if place is None:
        setattr(scheduler, name, value)
    else:
        getattr(scheduler, name)[place] = value


def _number(slots: list[Slot], slot: Slot) -> int:
    """Which unit vector stands for this slot."""
    if slot not in slots:
        slots.append(slot)
    return FIRST_HISTORY + slots.index(slot)


@contextmanager
def _noise_drawn_as(scheduler: Scheduler, unit: Tensor) -> Iterator[list[bool]]:
    """What the scheduler's module draws is this vector; tells whether it drew."""
    drawn: list[bool] = []

    def draw(*_: Any, **__: Any) -> Tensor:
        drawn.append(True)
        return unit.clone()

    module = sys.modules[type(scheduler).__module__]
    intact = getattr(module, "randn_tensor", None)
    module.randn_tensor = draw  # type: ignore[attr-defined]
    try:
        yield drawn
    finally:
        module.randn_tensor = intact  # type: ignore[attr-defined]


def _pruned(table: ScheduleTable) -> ScheduleTable:
    """Without the rows of history that no evaluation reads."""
    coefficients = table.coefficients
    while True:
        rows = coefficients.shape[1]
        read = [row for row in range(rows) if row == 0 or _is_read(coefficients, row)]
        if len(read) == rows:
            break
        coefficients = coefficients[:, read][:, :, [0, 1, *(2 + row for row in read)]]
    return ScheduleTable(table.timesteps, table.input_scales, coefficients, table.draws_noise)


def _is_read(coefficients: Tensor, row: int) -> bool:
    others = [i for i in range(coefficients.shape[1]) if i != row]
    return bool(coefficients[:, others, 2 + row].any())


def _is_faithful(table: ScheduleTable, scheduler: Scheduler) -> bool:
    """Whether a random run goes as the object's own does, at every evaluation."""
    predictions = torch.Generator().manual_seed(0)
    ours, theirs = (torch.Generator().manual_seed(1) for _ in range(2))
    shape = (1, 4, 8, 8)
    latents = torch.randn(shape, generator=predictions) * schedulers.init_noise_sigma(scheduler)
    state = torch.zeros(table.rows, *shape)
    state[0] = latents
    for i, timestep in enumerate(scheduler.timesteps):
        scaled = schedulers.scale_model_input(scheduler, latents, timestep)
        if not _are_alike(state[0] * table.input_scales[i], scaled):
            return False
        prediction = torch.randn(shape, generator=predictions)
        latents = schedulers.step(scheduler, prediction, timestep, latents, theirs)
        noise = torch.randn(shape, generator=ours) if table.draws_noise[i] else 0 * prediction
        columns = torch.cat([prediction[None], noise[None], state])
        state = torch.tensordot(table.coefficients[i], columns, 1)
        if not _are_alike(state[0], latents):
            return False
    return True


def _are_alike(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() <= LIKENESS * theirs.abs().max().clamp(min=1.0))
