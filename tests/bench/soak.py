"""Does anything grow? `python -m tests.bench.soak --minutes 30`: open-loop load, and faults.

Measures what the service can do, then sends four fifths of that whether or not it keeps up, while
parts are killed, frozen and cut off. Memory, file descriptors and Redis keys are sampled all along;
printed are their slopes once all has settled, and the exit status is 1 if one of them is growth
(`tests/bench/growth.py` says what that is). JOB_TTL_S is 60 here. The API, one worker and the
sender are never killed, since a restart would hide what they lose; the other worker is not judged.
Submissions carry no Idempotency-Key, since those are kept for a day by contract.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
from redis import Redis
from redis.exceptions import RedisError

from app.jobs import keys
from app.jobs.queues import queue_names
from tests.bench.growth import HEAD, Trend, trends
from tests.faults.campaign import strike, warm_up
from tests.faults.history import History, Told
from tests.faults.listener import listening
from tests.faults.plan import Deed, Fault, draw_fault, every_harm
from tests.faults.proxy import Network
from tests.faults.stage import Stage
from tests.tiny_checkpoint import write_tiny_checkpoint

LOAD = 0.8
SAMPLE_S = 5.0
FAULT_EVERY_S = (8.0, 20.0)
SPARED = ("api", "worker-1", "webhooks")
WISH = {"prompt": "a red heart", "num_inference_steps": 12}
AT_ONCE = 200  # less than a queue holds
MEBI = 1 << 20
QUEUES = queue_names(["default"])


@dataclass
class Load:
    """Submissions, from a pool of threads, at times that nobody waits for."""

    stage: Stage
    accepted: list[str] = field(default_factory=list[str])
    answers: Counter[int] = field(default_factory=Counter[int])

    def submit(self) -> None:
        wish = {**WISH, "webhook": {"url": self.stage.hook}}
        try:
            answer = httpx.post(f"{self.stage.url}/v1/jobs", json=wish, timeout=10)
        except httpx.TransportError:
            self.answers[0] += 1
            return
        self.answers[answer.status_code] += 1
        if answer.is_success:
            self.accepted.append(answer.json()["id"])

    def run(self, per_s: float, seconds: float, random: Random) -> None:
        """Arrivals of a Poisson process."""
        end = due = time.monotonic()
        end += seconds
        with ThreadPoolExecutor(64) as pool:
            while due < end:
                time.sleep(max(0.0, due - time.monotonic()))
                pool.submit(self.submit)
                due += random.expovariate(per_s)


def capacity(stage: Stage, jobs: int = AT_ONCE) -> float:
    """Jobs a second, their submissions and webhooks included, when so many wait at once."""
    load, began = Load(stage), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(jobs):
            pool.submit(load.submit)
    for job_id in load.accepted:
        stage.service.finished(job_id, timeout_s=300)
    return len(load.accepted) / (time.monotonic() - began)


def sample(stage: Stage) -> dict[str, float]:
    """What may grow, by name. A part that is down just now is left out."""
    found = dict[str, float]()
    for name, part in stage.parts.items():
        try:
            status = Path(f"/proc/{part.process.pid}/status").read_text()
            (resident,) = [x.split()[1] for x in status.splitlines() if x.startswith("VmRSS")]
            found[f"{name} memory (MiB)"] = int(resident) / 1_024
            descriptors = len(list(Path(f"/proc/{part.process.pid}/fd").iterdir()))
            found[f"{name} file descriptors"] = descriptors
        except (OSError, ValueError):
            continue
    redis = stage.store.redis
    try:
        found["valkey memory (MiB)"] = redis.info("memory")["used_memory"] / MEBI
        found["jobs waiting"] = sum(redis.llen(f"rq:queue:{name}") for name in QUEUES)
        found["Redis keys"] = redis.dbsize()
        found["Redis keys that last"] = lasting(redis)
    finally:
        redis.close()
    return found


def lasting(redis: Redis) -> int:
    """Keys without an end, less those of jobs that have not ended: they end with their job.

    In few round trips, since a watcher that takes a core for itself measures itself.
    """
    names = list(redis.scan_iter(count=1_000))
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.ttl(name)
        for name in redis.scan_iter(f"{keys.OPEN}:*"):
            pipe.smembers(name)
        answers = pipe.execute()
    without_end = [name for name, ttl in zip(names, answers, strict=False) if ttl == -1]
    jobs = frozenset[bytes]().union(*answers[len(names) :])
    return sum(not any(job in name for job in jobs) for name in without_end)


def watch(stage: Stage, samples: list[tuple[float, dict[str, float]]], seconds: float) -> None:
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        with contextlib.suppress(RedisError):  # frozen, or gone for a moment
            samples.append((at, sample(stage)))
        time.sleep(SAMPLE_S)


def harm(stage: Stage, seconds: float, random: Random) -> None:
    """One fault after the other, but for kills of what must show its growth."""
    harms = [one for one in every_harm() if one[0] is not Deed.KILL or one[1] not in SPARED]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(random.uniform(*FAULT_EVERY_S))
        fault: Fault = draw_fault(random, *random.choice(harms))
        strike(stage, [fault])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="file for all samples, a line of JSON each")
    options = parser.parse_args()
    seconds, random = options.minutes * 60, Random(options.seed)
    history, network = History(), Network()
    samples = list[tuple[float, dict[str, float]]]()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as temporary,
        network.running(),
        listening(Random(random.random()), history) as port,
    ):
        folder = Path(temporary)
        checkpoint = write_tiny_checkpoint(folder / "checkpoint")
        stage = Stage(folder, checkpoint, network, port, history, job_ttl_s="60")
        with stage.open():
            warm_up(stage)
            most = capacity(stage)
            per_s = most * LOAD
            print(f"load: {per_s:.2f} jobs/s, {LOAD:.0%} of {most:.2f}", flush=True)
            load = Load(stage)
            threads = [
                threading.Thread(target=watch, args=[stage, samples, seconds]),
                threading.Thread(target=harm, args=[stage, seconds, Random(options.seed)]),
            ]
            for thread in threads:
                thread.start()
            load.run(per_s, seconds, random)
            for thread in threads:
                thread.join()
            told = untold(load, history)
    print(f"answers: {dict(load.answers)}; {len(load.accepted)} jobs accepted, {told} not told of")
    if options.keep:
        options.keep.write_text("".join(json.dumps(one) + "\n" for one in samples))
    if refused := sum(count for status, count in load.answers.items() if status >= 500):
        print(
            f"{refused / sum(load.answers.values()):.0%} were refused: it could do less than before"
        )
    found = list(trends(samples))
    print("\n".join([HEAD, *(one.row() for one in found)]))
    growing = [one.name for one in found if one.grows and is_judged(one)]
    print(f"growing: {', '.join(growing) or 'nothing'}")
    return 1 if told or growing else 0


def is_judged(trend: Trend) -> bool:
    """Not of a part that is killed: whatever it gathers is gone with it."""
    return trend.name.startswith((*SPARED, "valkey", "Redis"))


def untold(load: Load, history: History) -> int:
    """Accepted jobs whose end no signed webhook has told, after a while of quiet."""
    give_up_at = time.monotonic() + 120
    while True:
        good = {one.job for one in history.of(Told) if one.is_signed and one.answered == 204}
        missing = set(load.accepted) - good
        if not missing or time.monotonic() > give_up_at:
            return len(missing)
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
