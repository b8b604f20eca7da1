"""What is left of the engine's speed behind HTTP, Redis and RQ: `python -m tests.bench.saturation`.

The same jobs, in turns, by two processes of the same settings and the same model:

- bare: an engine, given a job as soon as a place is free; its pictures stay in memory;
- service: API, Valkey and worker as processes, more clients than places, each of which waits for
  its picture and asks for the next. The worker also encodes every picture as PNG and stores it.

Neither counts the time in which it fills or empties. Pictures a second are the slope of the line
through the moments at which the pictures of the time between came out. Passes are of two guided
pictures: up to there rows pay on every machine, and beyond both processes would measure for
themselves how many do, each a little differently.
"""

import argparse
import asyncio
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from app.jobs.spec import GenerationSpec
from models.card import ModelCard, read_card
from models.source import BUILT_IN
from tests.service import Json, Service, Store
from worker.bench.traffic import a_job
from worker.patience import let_threads_sleep

TARGET = 0.97
BATCH = 2
WAITING = 8  # clients beyond the worker's places
FILLING = 8  # pictures that come out first and are not counted
WAITING_S = {"Prefer": "wait=60"}
WISH = ("prompt", "width", "height", "num_inference_steps", "guidance_scale", "scheduler", "seed")


def main() -> None:
    """Print a line a round, and the median ratio."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a time-out must leave no service behind
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "valkey")
        settings = {"runtime": "auto", "threads": options.threads, "max_batch_size": BATCH}
        service = Service(
            store, options.model, Path(folder), **{name: str(it) for name, it in settings.items()}
        )
        try:
            service.start_api()
            service.start_worker(timeout_s=300)
            with Bare(service.env) as engine:
                ratios = in_turns(options, service, engine)
        finally:
            service.stop()
            store.stop()
    ratio = statistics.median(ratios)
    print(f"median {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f}), target {TARGET}")


def in_turns(options: argparse.Namespace, service: Service, engine: "Bare") -> list[float]:
    """Of each round: what the service draws in the time in which the bare engine draws one."""
    places, cores = engine.places, os.cpu_count()
    print(f"{options.model.name} on {engine.name}, {options.threads} threads of {cores} cores")
    print(f"{options.jobs} jobs a round, {places} places, {places + WAITING} clients")
    print(f"{'bare':>8}{'service':>9} pictures/s{'ratio':>8}   rows a pass")
    api, worker = service.processes
    pids = {"bare": engine.pid, "worker": worker.pid, "API": api.pid, "client": os.getpid()}
    if service.store.process:
        pids["Valkey"] = service.store.process.pid
    ratios: list[float] = []
    for number in range(options.rounds + 1):
        specs = jobs_of(read_card(options.model), options.jobs, 1_000 * number)
        before, passed = cpu_s(pids), passes(service)
        bare = pictures_a_second(engine.draw(specs), places)
        served = pictures_a_second(asyncio.run(serve(service.url, specs, places)), places)
        rows, forwards = (now - was for now, was in zip(passes(service), passed, strict=True))
        if number:  # the first round is for caches
            ratios.append(served / bare)
            shared = f"{engine.rows_a_pass:.2f}, {rows / (forwards or 1):.2f}"
            print(f"{bare:>8.2f}{served:>9.2f}{served / bare:>19.3f}   {shared}", flush=True)
            spent = {part: (now - before[part]) / len(specs) for part, now in cpu_s(pids).items()}
            print("  CPU ms a picture:", *(f"{k} {v * 1e3:.1f}" for k, v in spent.items()))
    return ratios


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time that each has taken so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = {part: Path(f"/proc/{pid}/stat").read_text() for part, pid in pids.items()}
    after_name = {part: text.rpartition(")")[2].split() for part, text in fields.items()}
    return {part: (int(one[11]) + int(one[12])) / ticks for part, one in after_name.items()}


def jobs_of(card: ModelCard, count: int, seed: int) -> list[GenerationSpec]:
    """Alike but for the seed, so that the two ways end their pictures in the same order."""
    return [a_job(card, seed=seed + i, model="default") for i in range(count)]


def pictures_a_second(ends: list[float], places: int) -> float:
    """Over the pictures that came out while all places were taken."""
    steady = sorted(ends)[FILLING : len(ends) - places]
    return statistics.linear_regression(steady, range(len(steady))).slope


async def serve(url: str, specs: list[GenerationSpec], places: int) -> list[float]:
    """When each job's answer was there; more of them are under way than there are places."""
    waiting = iter(specs)
    ends: list[float] = []

    async def client() -> None:
        for spec in waiting:
            wish = spec.model_dump(include=set(WISH))
            job = parsed(await http.post("/v1/jobs", json=wish, headers=WAITING_S))
            while job["status"] in ("queued", "processing"):
                job = parsed(await http.get(f"/v1/jobs/{job['id']}", headers=WAITING_S))
            if job["status"] != "succeeded":
                raise RuntimeError(f"a job is {job['status']}: {job['error']}")
            ends.append(time.perf_counter())

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=90, limits=limits) as http:
        await asyncio.gather(*(client() for _ in range(places + WAITING)))
    return ends


def parsed(answer: httpx.Response) -> Json:
    return answer.raise_for_status().json()


def passes(service: Service) -> tuple[int, int]:
    """Rows and forward passes of the worker so far, as its last heartbeat says."""
    (worker,) = service.http.get("/v1/queue").json()["workers"]
    return worker["rows"], worker["forward_passes"]


class Bare:
    """An engine alone in a process of its own, which has the worker's settings."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_bare, args=(theirs, dict(env)), daemon=True)

    def __enter__(self) -> "Bare":
        self._process.start()
        self.name, self.places = self._connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.send(None)
        self._process.join()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def draw(self, specs: list[GenerationSpec]) -> list[float]:
        """When each picture was drawn."""
        self._connection.send(specs)
        ends, self.rows_a_pass = self._connection.recv()
        return ends


def _bare(connection: Connection, env: dict[str, str]) -> None:
    os.environ.update(env)
    let_threads_sleep()
    from worker.assembly import choose_device, load_engine, settle_in
    from worker.settings import WorkerSettings

    settings = WorkerSettings()
    device, dtype = choose_device(settings)
    settle_in(settings, device)
    engine = load_engine(settings, device, dtype, settings.default_model_id)
    connection.send((engine.name, settings.slots))
    while specs := connection.recv():
        waiting, ends = list(enumerate(specs)), list[float]()
        forwards, rows = engine.stats.forwards, engine.stats.rows
        while waiting or len(engine):
            while waiting and len(engine) < settings.slots:
                number, spec = waiting.pop(0)
                engine.admit(str(number), spec)
            ends += [time.perf_counter()] * len(engine.step().images)
        drawn = engine.stats.rows - rows, engine.stats.forwards - forwards
        connection.send((ends, drawn[0] / drawn[1]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUILT_IN)
    parser.add_argument("--jobs", type=int, default=48, help="of a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of the engine, both ways")
    return parser.parse_args()


if __name__ == "__main__":
    main()
