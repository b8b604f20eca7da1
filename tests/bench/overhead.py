"""What the service adds to the engine's own time: `python -m tests.bench.overhead [--jobs 200]`.

One job at a time on an idle service: embedded Valkey, one API, one worker, a tiny checkpoint. The
overhead of a job is its time from POST to the terminal event, less the engine's `engine_s`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.client import Client
from tests.service import Json, Service, Store
from tests.tiny_checkpoint import write_tiny_checkpoint

STEPS = 4
WARM_UP = 5
WISH = {"prompt": "a red heart", "num_inference_steps": STEPS}

Measured = dict[str, float]  # milliseconds by the name of the part


def main() -> None:
    """Measure both ways of waiting, print a table of medians and 99th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "valkey")
        checkpoint = write_tiny_checkpoint(Path(folder) / "checkpoint")
        service = Service(store, checkpoint, Path(folder))
        try:
            service.start_api()
            service.start_worker()
            print(f"{jobs} jobs each, {STEPS} steps of 64 x 64, milliseconds")
            print(f"{'':>34}{'median':>9}{'p99':>9}")
            client = Client(service.url)
            show("POST, then SSE", measure(lambda: by_events(client), jobs))
            show("POST with Prefer: wait", measure(lambda: by_waiting(service), jobs))
            client.close()
        finally:
            service.stop()
            store.stop()


def measure(draw: Callable[[], tuple[float, float, Json]], jobs: int) -> list[Measured]:
    """Draw so many pictures one after another; times of each, by part."""
    for _ in range(WARM_UP):
        draw()
    return [parts(*draw()) for _ in range(jobs)]


def by_events(client: Client) -> tuple[float, float, Json]:
    """Seconds until accepted and until the terminal event was seen, and the job."""
    began = time.perf_counter()
    job = client.submit(WISH)
    accepted = time.perf_counter()
    *_, last = client.events(job["id"])
    ended = time.perf_counter()
    return accepted - began, ended - began, last.data


def by_waiting(service: Service) -> tuple[float, float, Json]:
    began = time.perf_counter()
    job = service.submit({"Prefer": "wait=30"}, **WISH)
    ended = time.perf_counter()
    return ended - began, ended - began, job


def parts(accepted_s: float, total_s: float, job: Json) -> Measured:
    """Where a job's time went. `store` is what the worker needs before and after the engine."""
    metrics = job["metrics"]
    seconds = {
        "overhead": total_s - metrics["engine_s"],
        "  POST answered": accepted_s,
        "  created to taken (queue_s)": metrics["queue_s"],
        "  taken to ended less engine (store)": metrics["generation_s"] - metrics["engine_s"],
        "  HTTP in and out": total_s - metrics["total_s"],
        "engine_s": metrics["engine_s"],
    }
    return {name: value * 1_000 for name, value in seconds.items()}


def show(title: str, measured: list[Measured]) -> None:
    print(title)
    for name in measured[0]:
        values = sorted(one[name] for one in measured)
        p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
        print(f"  {name:<36}{statistics.median(values):>5.1f}{p99:>9.1f}")


if __name__ == "__main__":
    main()
