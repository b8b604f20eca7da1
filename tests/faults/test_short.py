"""The fault suite's short form: one seed, a kill of every part and some other harm."""

import logging
from pathlib import Path

import pytest

from tests.faults.__main__ import line
from tests.faults.campaign import campaign
from tests.faults.history import Struck, Told
from tests.faults.plan import Deed, Fault

log = logging.getLogger(__name__)

PLAN = [
    [Fault(Deed.KILL, "worker-1", 0.2, 1.5)],
    [Fault(Deed.KILL, "valkey", 0.5, 0.8)],
    [Fault(Deed.KILL, "webhooks", 0.2, 0.8), Fault(Deed.RESET, "clients-api", 0, 0)],
    [Fault(Deed.KILL, "api", 0.2, 0.8)],
    [Fault(Deed.FREEZE, "worker-2", 3.5, 0.5)],
    [Fault(Deed.CUT, "api-valkey", 1.0, 0.5)],
    [Fault(Deed.DELAY, "worker-2-valkey", 1.0, 0.5, 0.1)],
]


@pytest.mark.timeout(400)
def test_no_promise_is_broken_while_every_part_is_killed(checkpoint: Path, tmp_path: Path) -> None:
    verdict = campaign(seed=20, faults=0, checkpoint=checkpoint, folder=tmp_path, plan=PLAN)

    log.info(line(verdict))
    assert verdict.violations == []
    assert len(verdict.history.of(Struck)) == 8
    assert verdict.history.of(Told)
