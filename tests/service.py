"""A real service for tests: Valkey, API and workers as processes, each of which may be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx
from redis import Redis

from app.embedded import start_store
from app.jobs.images import ImageStore
from app.settings import Settings

Json = dict[str, Any]


Answer = TypeVar("Answer")


def eventually(
    ask: Callable[[], Answer | None], timeout_s: float = 20.0, every_s: float = 0.02
) -> Answer:
    """The first answer that is true; fails the test when none comes in time."""
    give_up_at = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < give_up_at, f"did not happen within {timeout_s} s"
        time.sleep(every_s)
    return answer


class Store:
    """A Valkey of our own on a unix socket, with its log on disk."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.start()

    def start(self) -> None:
        self.url, self.process = start_store(self.data_dir)

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.url)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


class Process:
    """One part of the service."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, timeout_s: float = 40.0) -> int:
        """SIGTERM and wait; the exit status."""
        if self.is_alive:
            self._process.terminate()
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float = 60.0) -> int:
        """The exit status, once it has ended by itself."""
        return self._process.wait(timeout_s)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Service:
    """API and workers on one store. Settings are given as environment variables."""

    pictures: ClassVar[Mapping[str, str]] = {}  # settings that all of a session's services have

    def __init__(self, store: Store, checkpoint: Path, folder: Path, **settings: str) -> None:
        self.store = store
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {**self.pictures, **settings}
        self.env = {
            **{name: value for name, value in os.environ.items() if "DARKROOM" not in name},
            "DARKROOM_REDIS_URL": store.url,
            "DARKROOM_DATA_DIR": str(folder),
            "DARKROOM_MODELS": f"default={checkpoint}",
            "DARKROOM_THREADS": "1",
            "DARKROOM_RUNTIME": "torch",  # nothing to compile: a worker starts seconds earlier
            "DARKROOM_NICENESS": "0",  # leases here are so short that a busy machine outlasts them
            "PYTHONUNBUFFERED": "1",
            **{f"DARKROOM_{name.upper()}": value for name, value in settings.items()},
        }
        self.processes: list[Process] = []
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def start_api(self) -> Process:
        command = [sys.executable, "-m", "app.cli", "api", "--port", str(self.port)]
        process = self.start(command, "api.log")
        eventually(lambda: self.answers() or self._fail_if_dead(process))
        return process

    def start_worker(self, wait: bool = True, timeout_s: float = 60, **settings: str) -> Process:
        """One worker; waits until it can draw."""
        known = set(self.ready_workers()) if wait else set[str]()
        extra = {f"DARKROOM_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "worker"]
        process = self.start(command, f"worker-{len(self.processes)}.log", extra)
        if wait:
            eventually(
                lambda: set(self.ready_workers()) - known or self._fail_if_dead(process),
                timeout_s,
            )
        return process

    def start_webhooks(self) -> Process:
        """One sender of webhooks."""
        return self.start([sys.executable, "-m", "app.cli", "webhooks"], "webhooks.log")

    def submit(self, headers: Mapping[str, str] | None = None, **wish: Any) -> Json:
        answer = self.http.post("/v1/jobs", json={"prompt": "a red heart", **wish}, headers=headers)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def job(self, job_id: str, wait_s: int = 0) -> Json:
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        answer = self.http.get(f"/v1/jobs/{job_id}", headers=headers, timeout=wait_s + 10)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def finished(self, job_id: str, timeout_s: float = 60.0) -> Json:
        """The job once it is terminal."""

        def ended() -> Json | None:
            job = self.job(job_id, wait_s=5)
            return job if job["status"] in ("succeeded", "failed", "canceled") else None

        return eventually(ended, timeout_s)

    def image_store(self) -> ImageStore:
        """Where its pictures lie."""
        variables = {name.removeprefix("DARKROOM_").lower(): v for name, v in self.env.items()}
        settings = Settings.model_validate(variables)
        return ImageStore(settings.image_store_url, settings.s3)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()
        self.http.close()

    def start(
        self, command: list[str], log: str, extra: Mapping[str, str] | None = None
    ) -> Process:
        process = Process(command, {**self.env, **(extra or {})}, self.folder / log)
        self.processes.append(process)
        return process

    def answers(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def ready_workers(self) -> list[str]:
        workers = self.http.get("/v1/queue").json()["workers"]
        return [worker["name"] for worker in workers if worker["is_ready"]]

    def _fail_if_dead(self, process: Process) -> None:
        assert process.is_alive, process.said()


@contextmanager
def lasting(folder: Path, checkpoint: Path, **settings: str) -> Generator[Service]:
    """API, store and one worker, ready, for all tests of a file that leave them alive."""
    store = Store(folder / "valkey")
    service = Service(store, checkpoint, folder, **settings)
    try:
        service.start_api()
        service.start_worker()
        yield service
    finally:
        service.stop()
        store.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
