from typing import Any

import pytest
import torch

from models import schedulers
from models.schedule_table import ScheduleTable, table_of
from models.schedulers import Scheduler
from tests.tiny_checkpoint import EPSILON, ZERO_SNR

pytestmark = pytest.mark.timeout(60)


def laid_out(name: str, steps: int, config: dict[str, Any] = EPSILON) -> Scheduler:
    scheduler = schedulers.make(name, config)
    schedulers.set_timesteps(scheduler, steps)
    return scheduler


def run(table: ScheduleTable, latents: torch.Tensor, predictions: torch.Tensor) -> torch.Tensor:
    """A whole run by the table, as the engine does it."""
    generator = torch.Generator().manual_seed(3)
    state = torch.zeros(table.rows, *latents.shape)
    state[0] = latents
    for i, prediction in enumerate(predictions):
        draws = table.draws_noise[i]
        noise = torch.randn(latents.shape, generator=generator) if draws else 0 * latents
        columns = torch.stack([prediction, noise, *state])
        state = torch.tensordot(table.coefficients[i], columns, 1)
    return state[0]


def run_object(
    scheduler: Scheduler, latents: torch.Tensor, predictions: torch.Tensor
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    for prediction, t in zip(predictions, scheduler.timesteps, strict=True):
        schedulers.scale_model_input(scheduler, latents, t)
        latents = schedulers.step(scheduler, prediction, t, latents, generator)
    return latents


@pytest.mark.parametrize("config", [EPSILON, ZERO_SNR], ids=["epsilon", "zero_snr"])
@pytest.mark.parametrize("name", schedulers.SCHEDULERS)
def test_a_run_by_the_table_is_the_objects(name: str, config: dict[str, Any]) -> None:
    if name not in schedulers.supported(config):
        pytest.skip("not supported under this config")
    scheduler = laid_out(name, 12, config)
    table = table_of(scheduler)
    assert table is not None
    random = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 8, generator=random) * schedulers.init_noise_sigma(scheduler)
    predictions = torch.randn(len(table.timesteps), 1, 4, 8, 8, generator=random)

    ours = run(table, latents, predictions)

    theirs = run_object(scheduler, latents, predictions)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert list(table.timesteps) == scheduler.timesteps.tolist()


def test_one_reading_serves_all_equal_runs_and_no_other() -> None:
    first = table_of(laid_out("dpmpp_2m", 5))

    assert table_of(laid_out("dpmpp_2m", 5)) is first
    assert table_of(laid_out("dpmpp_2m", 6)) is not first
    assert table_of(laid_out("dpmpp_2m", 5, ZERO_SNR)) is not first
    assert table_of(laid_out("dpmpp_2m_karras", 5)) is not first


def test_reading_leaves_the_object_as_it_was() -> None:
    scheduler = laid_out("unipc", 5)

    assert table_of(scheduler) is not None

    assert scheduler.step_index is None
    assert scheduler.model_outputs == [None, None]


def test_history_that_nothing_reads_takes_no_row() -> None:
    rows = {name: table.rows for name in schedulers.SCHEDULERS
            if (table := table_of(laid_out(name, 6)))}  # fmt: skip

    assert {name: rows[name] for name in ("ddim", "euler", "dpmpp_2m")} == {
        "ddim": 1, "euler": 1, "dpmpp_2m": 2,
    }  # fmt: skip
    assert max(rows.values()) <= 6


def test_noise_is_drawn_where_the_object_draws_it() -> None:
    lcm, ddim = (table_of(laid_out(name, 4)) for name in ("lcm", "ddim"))

    assert lcm is not None
    assert ddim is not None
    assert lcm.draws_noise == (True, True, True, False)
    assert not any(ddim.draws_noise)


def test_a_scheduler_that_is_not_linear_has_no_table() -> None:
    clipping = schedulers.SCHEDULERS["ddim"][0].from_config({**EPSILON, "clip_sample": True})
    clipping.set_timesteps(6)

    assert table_of(clipping) is None
