"""The parts of `darkroom up` as supervised processes: started in order, stopped in reverse.

Store -> API -> webhook sender -> workers. A part that dies is started again; one that says it
cannot work ends all.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.embedded import EmbeddedStore
from app.lifeline import SUPERVISOR
from app.settings import Settings

log = logging.getLogger("darkroom")

REFUSED = 2  # the exit status of a part that no restart can help
POLL_S = 0.1
STOP_MARGIN_S = 10.0  # beyond the time in which a worker drains
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 15.0
STEADY_S = 30.0  # alive for so long, a part has earned a quick restart again


class PartFailed(RuntimeError):
    """A part cannot work; the message names it and says where the cause stands."""


@dataclass
class Part:
    """One process of the stack and how it is kept alive."""

    name: str
    command: list[str]
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S

    def start(self) -> None:
        """Begin, in a session of its own: Ctrl-C reaches the supervisor alone."""
        self.process = subprocess.Popen(self.command, env=self.env, start_new_session=True)  # noqa: S603
        self.started_at = time.monotonic()

    def mend(self) -> None:
        """Start again what has died, after a wait that grows.

        Raises:
            PartFailed: It said that it cannot work.
        """
        if self.process is None:
            if time.monotonic() >= self.restart_at:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            return
        if status == REFUSED:
            raise PartFailed(f"the {self.name} refuses to work; its last line says why")
        if time.monotonic() - self.started_at > STEADY_S:
            self.backoff_s = FIRST_BACKOFF_S
        log.warning("%s ended with status %s; again in %.1f s", self.name, status, self.backoff_s)
        self.restart_at = time.monotonic() + self.backoff_s
        self.backoff_s = min(self.backoff_s * 2, MAX_BACKOFF_S)
        self.process = None

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait(self, timeout_s: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s; killed", self.name, timeout_s)
            self.process.kill()
            self.process.wait()


@dataclass
class Stack:
    """The whole service on one machine; `run()` returns when it has been stopped."""

    settings: Settings
    host: str
    port: int
    workers: int
    store: EmbeddedStore | None = None
    parts: list[Part] = field(default_factory=list[Part])
    is_stopping: bool = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self, when_ready: Callable[[], None]) -> None:
        """Start everything, call `when_ready` once pictures can be made, serve until a signal.

        Raises:
            PartFailed, StoreFailed: Something cannot work; all that ran has been stopped.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        try:
            self._start()
            self._until_ready()
            if not self.is_stopping:
                when_ready()
            while not self.is_stopping:
                self._tend()
                time.sleep(POLL_S)
        finally:
            self._end()

    def _start(self) -> None:
        redis_url = self.settings.redis_url
        if redis_url is None:
            self.store = EmbeddedStore(self.settings.data_dir)
            redis_url = self.store.url
            log.info("embedded store at %s (set DARKROOM_REDIS_URL for your own)", redis_url)
        env = {**os.environ, "DARKROOM_REDIS_URL": redis_url, SUPERVISOR: str(os.getpid())}
        env["DARKROOM_DATA_DIR"] = str(Path(self.settings.data_dir).resolve())
        address = ["--host", self.host, "--port", str(self.port)]
        api = [sys.executable, "-m", "app.cli", "api", *address]
        self.parts.append(Part("API", api, env))
        webhooks = [sys.executable, "-m", "app.cli", "webhooks"]
        self.parts.append(Part("webhook sender", webhooks, env))
        for number in range(1, self.workers + 1):
            self.parts.append(Part(f"worker {number}", [sys.executable, "-m", "worker"], env))
        for part in self.parts:
            part.start()

    def _until_ready(self) -> None:
        with httpx.Client(base_url=self.url, timeout=2) as client:
            while not self.is_stopping:
                self._tend()
                try:
                    if client.get("/readyz").is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(POLL_S)

    def _tend(self) -> None:
        if self.store and self.store.mend():
            log.warning("the embedded store had ended; it came back on its log")
        for part in self.parts:
            part.mend()

    def _stop(self, signum: int, frame: object) -> None:
        if self.is_stopping:  # asked twice: the workers hand back at once
            for part in self.parts:
                part.ask_to_stop()
        self.is_stopping = True

    def _end(self) -> None:
        """API first, so that nothing new comes in; workers drain; the store goes last."""
        self.is_stopping = True
        for part in self.parts:
            part.ask_to_stop()
        for part in self.parts:
            part.wait(self.settings.drain_s + STOP_MARGIN_S)
        if self.store:
            self.store.stop()
        log.info("stopped")
