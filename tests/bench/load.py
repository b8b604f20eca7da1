"""What API and Redis bear: `python -m tests.bench.load`; prints a table.

One Valkey, one API process, workers with simulated engines, clients in a process of their own, all
on this machine. Rates and delays are of parts that share its cores with whatever else runs;
processor time an operation is not, and tells what one core could do.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from tests.bench.status_rate import ask
from tests.service import Service, Store, eventually

CONNECTIONS = 16
STEPS = 20
ENDED = b"event: succeeded"

Row = tuple[str, str]


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return int(head.split()[1]), await reader.readexactly(int(length))


def post(port: int, steps: int) -> bytes:
    body = json.dumps({"prompt": "a red heart", "num_inference_steps": steps}).encode()
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def submit(port: int, count: int, steps: int) -> tuple[list[str], list[float], float]:
    """So many jobs over a few connections; ids, seconds each took, seconds altogether."""
    request, ids, took = post(port, steps), list[str](), list[float]()
    left = iter(range(count))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            began = time.perf_counter()
            writer.write(request)
            status, body = await read_answer(reader)
            if status != 202:
                raise RuntimeError(body.decode())
            took.append(time.perf_counter() - began)
            ids.append(json.loads(body)["id"])
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return ids, took, time.perf_counter() - began


async def watch(port: int, ids: list[str], opened: Callable[[], Awaitable[None]]) -> list[float]:
    """Follow every job's events until its end; the moments, by the wall clock, of hearing it."""
    heard, connected = list[float](), asyncio.Semaphore(0)
    few_at_once = asyncio.Semaphore(64)

    async def follow(job_id: str) -> None:
        async with few_at_once:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
            path = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            writer.write(path.encode())
            await reader.readuntil(b"event: queued")
        connected.release()
        await reader.readuntil(ENDED)
        heard.append(time.time())
        writer.close()

    followers = [asyncio.create_task(follow(job_id)) for job_id in ids]
    for _ in ids:
        await connected.acquire()
    await opened()
    await asyncio.gather(*followers)
    return heard


def client(port: int, what: str, count: int) -> dict[str, Any]:
    """The half that asks, in its own process."""
    match what:
        case "submit":
            ids, took, whole = asyncio.run(submit(port, count, STEPS))
            return {"ids": ids, "rate": count / whole, **percentiles(took)}
        case "watch":
            return asyncio.run(client_watch(port, count))
        case _:
            raise ValueError(what)


async def client_watch(port: int, count: int) -> dict[str, Any]:
    """Submit one job, have `count` clients follow it; how late each hears of its end."""
    ids, _, _ = await submit(port, 1, STEPS)

    async def opened() -> None:
        print("opened", flush=True)

    heard = await watch(port, ids * count, opened)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/jobs/{ids[0]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    _, body = await read_answer(reader)
    writer.close()
    job = json.loads(body)
    ended_at = datetime.fromisoformat(job["finished_at"]).timestamp()
    return {"heard": len(heard), **percentiles([moment - ended_at for moment in heard])}


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median_ms": 1_000 * statistics.median(ordered),
        "p99_ms": 1_000 * ordered[int(0.99 * len(ordered))],
    }


class Load:
    """A service under load, and what is measured of it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "valkey")
        settings = {"max_queue": "1000000", "niceness": "0"}
        self.service = Service(self.store, folder, folder, **settings)
        self.api = self.service.start_api()
        self.worker = self._start_worker()

    def _start_worker(self) -> Any:
        command = [sys.executable, "-m", "tests.bench.simulated"]
        env = {"SIMULATED_STEP_S": "0.05"}
        worker = self.service.start(command, "simulated.log", env)
        eventually(lambda: self.service.ready_workers(), 120)
        return worker

    def stop(self) -> None:
        self.service.stop()
        self.store.stop()

    def ask_as_client(self, what: str, count: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.bench.load", "--client", what]
        command += ["--port", str(self.service.port), "--count", str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = list[str]()
            for line in process.stdout:
                if line == "opened\n":
                    self.rss_mb = resident_mb(self.api.pid)
                lines.append(line)
        if process.returncode:
            raise RuntimeError(f"the client of {what} failed")
        return json.loads(lines[-1])

    def redis_info(self) -> dict[str, float]:
        info = cast(dict[str, Any], self.store.redis.info())
        cpu_s = info["used_cpu_user"] + info["used_cpu_sys"]
        return {"commands": info["total_commands_processed"], "cpu_s": cpu_s}

    def submissions(self, count: int) -> list[Row]:
        """With the worker drawing all the while."""
        cpu_s = processor_s(self.api.pid)
        found = self.ask_as_client("submit", count)
        each = (processor_s(self.api.pid) - cpu_s) / count
        for job_id in found["ids"]:
            self.service.finished(job_id, 600)
        title = f"POST /v1/jobs, {count} by {CONNECTIONS} connections"
        return [(title, f"{found['rate']:.0f}/s, {spread(found)}; API {1_000 * each:.2f} ms each")]

    def statuses(self, rate: float, seconds: float) -> list[Row]:
        job_id = self.service.submit(num_inference_steps=2)["id"]
        self.service.finished(job_id)
        rows = list[Row]()
        for asked in (rate, 100_000.0):  # the second: as fast as it goes
            duration = seconds if asked == rate else 5_000 / asked
            cpu_s = processor_s(self.api.pid)
            *took, whole = asyncio.run(ask(self.service.port, job_id, asked, duration))
            figure = f"{len(took) / whole:.0f}/s"
            if asked == rate:
                title = f"GET /v1/jobs/{{id}}, {rate:.0f}/s asked"
                rows.append((title, f"{figure}, {spread(percentiles(took))}"))
            else:
                each = (processor_s(self.api.pid) - cpu_s) / len(took)
                cost = f"{figure}; API {1_000 * each:.2f} ms each"
                rows.append(("GET /v1/jobs/{id}, as fast as can be", cost))
        return rows

    def watchers(self, counts: list[int]) -> list[Row]:
        idle_mb, rows = resident_mb(self.api.pid), list[Row]()
        for count in counts:
            cpu_s = processor_s(self.api.pid)
            found = self.ask_as_client("watch", count)
            used_s = processor_s(self.api.pid) - cpu_s
            each = 1_000 * (self.rss_mb - idle_mb) / count
            late = f"last event late by {spread(found)}; {each:.0f} kB a client"
            late += f", API {1_000 * used_s / count:.1f} ms a client for the whole job"
            rows.append((f"{count} SSE clients of one job", late))
        return rows

    def redis_costs(self, images: int) -> list[Row]:
        """Commands and processor time of Redis for each image, nobody watching."""
        self.store.redis.config_resetstat()
        before = self.redis_info()
        time.sleep(5)
        idle, seen = self.redis_info(), self.redis_calls()
        ids = [self.service.submit(num_inference_steps=STEPS)["id"] for _ in range(images)]
        since = time.monotonic()
        while self.service.http.get("/v1/queue").json()["depth"]:
            time.sleep(1)
        eventually(lambda: self.service.job(ids[-1])["status"] == "succeeded", 60)
        took, after = time.monotonic() - since, self.redis_info()
        most = (self.redis_calls() - seen).most_common(8)
        idle_rate = {name: (idle[name] - before[name]) / 5 for name in idle}
        each = {name: (after[name] - idle[name]) / images for name in idle}
        return [
            ("Redis commands, one idle worker", f"{idle_rate['commands']:.1f}/s"),
            (
                f"Redis commands an image of {STEPS} steps, submission included",
                f"{each['commands']:.1f} ({images / took:.1f} images/s)",
            ),
            ("Redis processor time an image", f"{1_000 * each['cpu_s']:.2f} ms"),
            ("Redis commands, one busy worker", f"{images * each['commands'] / took:.0f}/s"),
            ("  most of them", ", ".join(f"{name} {count / images:.0f}" for name, count in most)),
        ]

    def redis_calls(self) -> Counter[str]:
        found = cast(dict[str, Any], self.store.redis.info("commandstats"))
        return Counter(
            {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in found.items()}
        )


def spread(found: dict[str, Any]) -> str:
    return f"median {found['median_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"


def processor_s(pid: int) -> float:
    """Seconds of a processor that the process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4_096 / 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=1_000)
    arguments.add_argument("--rate", type=float, default=300.0)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--watchers", type=int, nargs="+", default=[100, 1_000])
    arguments.add_argument("--client", help=argparse.SUPPRESS)
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--count", type=int, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.client:
        print(json.dumps(client(chosen.port, chosen.client, chosen.count)))
        return
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder))
        try:
            for title, row in [
                *load.submissions(chosen.jobs),
                *load.statuses(chosen.rate, chosen.seconds),
                *load.watchers(chosen.watchers),
                *load.redis_costs(chosen.jobs // 4),
            ]:
                print(f"{title:<64} {row}")
        finally:
            load.stop()


if __name__ == "__main__":
    main()
