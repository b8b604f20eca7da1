"""One campaign: a service, clients and a plan of faults, from a seed to a verdict."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.aftermath import lasting_keys, look_back
from tests.faults.checker import Violation, check
from tests.faults.clients import Client
from tests.faults.history import History, Struck
from tests.faults.listener import listening
from tests.faults.plan import Fault, draw_plan
from tests.faults.proxy import Network
from tests.faults.stage import Stage
from tests.service import eventually

CLIENTS = 6


@dataclass(frozen=True)
class Verdict:
    """What came of one campaign."""

    seed: int
    history: History
    violations: list[Violation]


def campaign(
    seed: int, faults: int, checkpoint: Path, folder: Path, plan: list[list[Fault]] | None = None
) -> Verdict:
    """Serve clients while the faults of the seed's plan strike; then judge all that was seen."""
    random, history, network = Random(seed), History(), Network()
    plan = plan or draw_plan(Random(seed), faults)
    with network.running(), listening(Random(random.getrandbits(64)), history) as port:
        stage = Stage(folder, checkpoint, network, port, history)
        with stage.open():
            warm_up(stage)
            before = lasting_keys(stage.store.redis)
            serve(stage, [Random(random.getrandbits(64)) for _ in range(CLIENTS)], plan)
            look_back(stage, history, before)
    return Verdict(seed, history, check(history))


def serve(stage: Stage, randoms: list[Random], plan: list[list[Fault]]) -> None:
    """Clients from before the first fault until after the last."""
    over = threading.Event()
    clients = [Client(stage.url, stage.hook, random, stage.history) for random in randoms]
    threads = [threading.Thread(target=one.run, args=[over], daemon=True) for one in clients]
    for thread in threads:
        thread.start()
    for group in plan:
        time.sleep(group[0].gap_s)
        strike(stage, group)
    time.sleep(1)
    over.set()
    for thread in threads:
        thread.join()


def strike(stage: Stage, group: list[Fault]) -> None:
    """All faults of the group at once; each ends when its time has come."""
    began = time.time()
    for fault in group:
        stage.begin(fault)
    for fault in sorted(group, key=lambda one: one.lasts_s):
        time.sleep(max(0.0, began + fault.lasts_s - time.time()))
        stage.end(fault)
        struck = Struck(began, time.time(), fault.deed, fault.target, len(group) == 1)
        stage.history.add(struck)


def warm_up(stage: Stage) -> None:
    """Both workers can draw, and one job of each priority has been through."""
    service = stage.service
    eventually(service.answers, timeout_s=60)
    eventually(lambda: len(service.ready_workers()) == 2, timeout_s=180)
    for priority in ("high", "normal", "low"):
        job = service.submit(priority=priority, num_inference_steps=2, metadata={"ask": priority})
        service.finished(job["id"])
