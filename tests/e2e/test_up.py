"""`darkroom up` as a person meets it: it serves, heals, stops and says why it cannot."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.embedded import answers, socket_path
from tests.service import Json, Process, eventually, free_port

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(120)


class Up:
    """A running `darkroom up`, and the parts it has started."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.port = free_port()
        self.data_dir = folder / "data"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.process = Process(
            [*UP, "--port", str(self.port), "--data-dir", str(self.data_dir)],
            environment(checkpoint),
            folder / "up.log",
        )

    def stop(self) -> int:
        self.http.close()
        return self.process.stop()

    def is_ready(self) -> bool:
        assert self.process.is_alive, self.process.said()
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def draw(self) -> Json:
        wish = {"prompt": "a red heart", "num_inference_steps": 3}
        answer = self.http.post("/v1/jobs", json=wish, headers={"Prefer": "wait=30"})
        job = answer.json()
        assert job["status"] == "succeeded", job
        assert self.http.get(job["images"][0]["url"]).is_success
        return job

    def part(self, name: str) -> int:
        """The process id of one part: `api`, `webhooks`, `worker` or `valkey-server`."""
        return eventually(lambda: next(iter(pids(self.process.pid, name)), None))

    def parts(self) -> set[int]:
        return pids(self.process.pid, "")


UP = [sys.executable, "-m", "app.cli", "up"]


def environment(checkpoint: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "DARKROOM" not in name}
    models = {"DARKROOM_MODELS": f"default={checkpoint}", "DARKROOM_JOB_LEASE_S": "2"}
    # a worker that yields to everybody else is never ready on a busy machine
    ours = {"DARKROOM_THREADS": "1", "DARKROOM_NICENESS": "0", "PYTHONUNBUFFERED": "1"}
    return {**kept, **models, **ours}


def pids(parent: int, name: str) -> set[int]:
    """Living children of a process whose command line contains the name."""
    found = set[int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent_pid = stat.read_text().rpartition(")")[2].split()[:2]
            command = stat.with_name("cmdline").read_text()
        except OSError:
            continue
        if int(parent_pid) == parent and state != "Z" and name in command:
            found.add(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def up(tmp_path: Path, checkpoint: Path) -> Iterator[Up]:
    up = Up(tmp_path, checkpoint)
    try:
        eventually(up.is_ready, 60)
        yield up
    finally:
        up.stop()


def test_the_whole_service_heals_stops_and_remembers(up: Up, checkpoint: Path) -> None:
    first = up.draw()
    assert Redis.from_url(f"unix://{socket_path(up.data_dir)}").config_get("port") == {"port": "0"}

    for name in ("valkey-server", "\0api\0", "\0webhooks\0", "\0worker\0"):
        victim = up.part(name)
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        eventually(lambda gone=victim, kind=name: up.part(kind) != gone, 30)
        eventually(up.is_ready, 60)
        up.draw()
        log.info("kill -9 of %s: pictures again after %.1f s", name, time.monotonic() - killed_at)

    parts = up.parts()
    assert len(parts) == 4
    assert up.stop() == 0
    assert not [pid for pid in parts if is_alive(pid)]
    assert "stopped" in up.process.said()

    again = Up(up.data_dir.parent, checkpoint)
    try:
        eventually(again.is_ready, 60)
        remembered = again.http.get(f"/v1/jobs/{first['id']}").json()
        assert remembered["status"] == "succeeded"
        assert again.http.get(
            remembered["images"][0]["url"].replace(str(up.port), str(again.port))
        ).is_success
    finally:
        assert again.stop() == 0


def test_a_killed_supervisor_leaves_only_a_store_which_the_next_adopts(
    up: Up, tmp_path: Path, checkpoint: Path
) -> None:
    job = up.draw()
    store, parts = up.part("valkey-server"), up.parts()
    second = subprocess.run(
        [*UP, "--port", str(free_port()), "--data-dir", str(up.data_dir)],
        env=environment(checkpoint),
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "another" in second.stderr

    up.process.kill()
    eventually(lambda: [pid for pid in parts if is_alive(pid)] == [store])

    again = Up(tmp_path, checkpoint)
    try:
        eventually(again.is_ready, 60)
        assert again.http.get(f"/v1/jobs/{job['id']}").json()["status"] == "succeeded"
        assert is_alive(store)
        again.draw()
    finally:
        assert again.stop() == 0
    eventually(lambda: not is_alive(store))


def refused(checkpoint: Path, folder: Path, *options: str) -> str:
    """What `up` says when it ends by itself."""
    command = [*UP, "--data-dir", str(folder / "data"), "--port", str(free_port()), *options]
    ended = subprocess.run(
        command, env=environment(checkpoint), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert not list(folder.glob("data/valkey.sock")) or not is_served(folder / "data")
    return " ".join(ended.stderr.split())


def is_served(data_dir: Path) -> bool:
    return answers(f"unix://{socket_path(data_dir)}")


def test_up_says_why_it_refuses(tmp_path: Path, checkpoint: Path) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = refused(checkpoint, tmp_path, "--port", str(port))
        assert f"cannot listen on 127.0.0.1:{port}" in said
        assert "in use" in said

    assert "not a loopback address" in refused(checkpoint, tmp_path, "--host", "0.0.0.0")
    assert "no such checkpoint folder" in refused(tmp_path / "nowhere", tmp_path)
