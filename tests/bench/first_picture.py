"""How long a newcomer waits: `python -m tests.bench.first_picture [--repeats 10]`.

API, Valkey and one worker as they are started by default, with both built-in models. Each wish is
sent when nothing else is waiting; the clock runs from POST until the picture's bytes are here.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.source import BUILT_IN, BUILT_IN_FAST
from tests.service import Service, Store

WISHES = {"20 steps": {"model": "default"}, "4 steps": {"model": "fast"}}
PROMPT = "a red apple on a blue background"


def main() -> None:
    """Print the start, medians and worst in seconds, and the worker's memory at its peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    spent = {name: list[float]() for name in WISHES}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:
        began = time.perf_counter()
        worker = service.start_worker(timeout_s=300)
        print(f"worker, from its start to ready: {time.perf_counter() - began:.1f} s")
        for name in WISHES:
            print(f"{name}, the very first: {one(service, name, seed=repeats):.2f} s")
        for seed in range(repeats):
            for name in WISHES:
                spent[name].append(one(service, name, seed))
        peak = peak_mib(worker.pid)
    for name, seconds in spent.items():
        median, worst = statistics.median(seconds), max(seconds)
        print(f"{name}: {median:.2f} s, worst {worst:.2f} s, median of {len(seconds)}")
    print(f"worker's memory at its peak, both models held: {peak:.0f} MiB")


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    store = Store(folder / "valkey")
    models = f"default={BUILT_IN},fast={BUILT_IN_FAST}"
    service = Service(store, BUILT_IN, folder, models=models, runtime="auto", niceness="15")
    del service.env["DARKROOM_THREADS"]
    try:
        service.start_api()
        yield service
    finally:
        service.stop()
        store.stop()


def one(service: Service, name: str, seed: int) -> float:
    """Seconds from POST to the last byte of the picture."""
    began = time.perf_counter()
    job = service.submit({"Prefer": "wait=60"}, prompt=PROMPT, seed=seed, **WISHES[name])
    picture = service.http.get(job["images"][0]["url"])
    assert picture.is_success, picture.text
    return time.perf_counter() - began


def peak_mib(pid: int) -> float:
    """The most that was ever resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) / 1_024


if __name__ == "__main__":
    main()
