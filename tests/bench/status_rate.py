"""How fast a job's status is answered, while a worker draws: `python -m tests.bench.status_rate`.

Valkey, one API process and one worker kept busy, each a process of its own; the client too. Open
loop: request n is due at n / rate seconds, and its time counts from then, however late it is sent.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from tests.service import Service, Store
from tests.tiny_checkpoint import write_tiny_checkpoint

CONNECTIONS = 16


async def ask(port: int, job_id: str, rate: float, seconds: float) -> list[float]:
    """Seconds from each request's due time to the last byte of its answer."""
    request = f"GET /v1/jobs/{job_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    due: asyncio.Queue[float | None] = asyncio.Queue()
    took: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (at := await due.get()) is not None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode())
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            took.append(time.perf_counter() - at)
        writer.close()

    connections = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for n in range(int(rate * seconds)):
        at = began + n / rate
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait(at)
    for _ in connections:
        due.put_nowait(None)
    await asyncio.gather(*connections)
    return [*took, time.perf_counter() - began]


def client(port: int, job_id: str, rate: float, seconds: float) -> None:
    *took, whole = asyncio.run(ask(port, job_id, rate, seconds))
    took.sort()
    figures = {
        "rate": round(len(took) / whole, 1),
        "median_ms": round(1_000 * statistics.median(took), 2),
        "p99_ms": round(1_000 * took[int(0.99 * len(took))], 2),
    }
    print(json.dumps(figures))


def keep_busy(url: str, enough: threading.Event) -> None:
    """Keep a few jobs in the worker's hands, one way or another."""
    with httpx.Client(base_url=url, timeout=30) as http:
        while not enough.is_set():
            depth = http.get("/v1/queue").json()["depth"]
            if depth < 8:
                http.post("/v1/jobs", json={"prompt": "a red heart", "num_images": 4})
            enough.wait(0.05)


def measure(folder: Path, rate: float, seconds: float, busy: bool) -> str:
    store = Store(folder / "valkey")
    service = Service(store, write_tiny_checkpoint(folder / "checkpoint"), folder)
    enough = threading.Event()
    submitter = threading.Thread(target=keep_busy, args=(service.url, enough), daemon=True)
    try:
        service.start_api()
        service.start_worker()
        job_id = service.submit(num_inference_steps=4)["id"]
        service.finished(job_id)
        if busy:
            submitter.start()
            time.sleep(2)
        command = [sys.executable, "-m", "tests.bench.status_rate", "--client", job_id]
        command += ["--port", str(service.port), "--rate", str(rate), "--seconds", str(seconds)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    finally:
        enough.set()
        if submitter.is_alive():
            submitter.join()
        service.stop()
        store.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=500.0)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--idle", action="store_true", help="leave the worker without work")
    arguments.add_argument("--client", metavar="JOB", help=argparse.SUPPRESS)
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.client:
        client(chosen.port, chosen.client, chosen.rate, chosen.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), chosen.rate, chosen.seconds, not chosen.idle))


if __name__ == "__main__":
    main()
