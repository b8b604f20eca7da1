"""What the benches measure with is still what workers are made of."""

import inspect
import sys
from pathlib import Path

import pytest

from tests.bench.simulated import SimulatedEngine
from tests.service import Service, Store, eventually
from worker.engine import Engine
from worker.shelf import Shelf

METHODS = ["__len__", *(name for name in vars(Engine) if not name.startswith("_"))]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("other", [Shelf, SimulatedEngine])
def test_all_engines_are_asked_alike(name: str, other: type) -> None:
    wanted = inspect.signature(getattr(Engine, name))

    assert inspect.signature(getattr(other, name)) == wanted


@pytest.mark.timeout(60)
def test_a_simulated_worker_serves(store: Store, tmp_path: Path) -> None:
    service = Service(store, tmp_path, tmp_path, default_model="default")
    try:
        service.start_api()
        command = [sys.executable, "-m", "tests.bench.simulated"]
        service.start(command, "simulated.log", {"SIMULATED_STEP_S": "0.01"})
        eventually(service.ready_workers, 40)

        job = service.finished(service.submit(num_images=2, num_inference_steps=3)["id"])
    finally:
        service.stop()

    assert (job["status"], len(job["images"])) == ("succeeded", 2)
