"""The service as real processes on wires that can be harmed; what ends is started again."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.embedded import socket_path
from tests.app.webhooks.receiver import SECRET
from tests.faults.history import History, Wrong
from tests.faults.plan import Deed, Fault
from tests.faults.proxy import Network, Wire
from tests.service import Process, Service, Store

LEASE_S = 3
STEADY_S = 5.0  # a part that lived for so long and ends by itself has broken a promise
AGAIN_S = 0.5
WAITS = ",".join(["0.2", "0.5", *["1"] * 10, *["2"] * 40])  # no receiver here is given up on


class Part:
    """One process, started again whenever it ends, but for the time that a fault keeps it down."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.command, self.env, self.log = command, env, log
        self.is_held_down = False
        self.start()

    def start(self) -> None:
        self.process = Process(self.command, self.env, self.log)
        self.since = time.monotonic()

    def kill(self) -> None:
        self.is_held_down = True
        self.process.kill()

    def mend(self) -> None:
        self.start()
        self.is_held_down = False

    def tend(self) -> str:
        """Start it again if it has ended; what there is to say of that."""
        if self.is_held_down or self.process.is_alive:
            return ""
        lived_s = time.monotonic() - self.since
        if lived_s < AGAIN_S:
            return ""
        self.start()
        return f"{self.log.stem} ended by itself" if lived_s > STEADY_S else ""


class Stage:
    """Parts and wires by name."""

    def __init__(
        self,
        folder: Path,
        checkpoint: Path,
        network: Network,
        receiver_port: int,
        history: History,
        **settings: str,
    ) -> None:
        self.history = history
        self.store = Store(folder / "valkey")
        self.service = Service(
            self.store,
            checkpoint,
            folder,
            job_lease_s=str(LEASE_S),
            drain_s="1",
            supervisor=str(os.getpid()),
            webhook_secret=SECRET,
            webhook_allow="127.0.0.0/8",
            webhook_retry_schedule=WAITS,
            **settings,
        )
        valkey = str(socket_path(self.store.data_dir.resolve()))
        self.wires = {
            "clients-api": network.wire(("127.0.0.1", self.service.port)),
            "webhooks-receiver": network.wire(("127.0.0.1", receiver_port)),
            **{f"{part}-valkey": network.wire(valkey) for part in COMMANDS},
        }
        self.parts = {name: self._start(name) for name in COMMANDS}
        self._is_over = threading.Event()
        self._tending = threading.Thread(target=self._tend, name="supervisor", daemon=True)

    @property
    def url(self) -> str:
        """Where clients find the API."""
        return f"http://127.0.0.1:{self.wires['clients-api'].port}"

    @property
    def hook(self) -> str:
        """Where the sender finds the receiver."""
        return f"http://127.0.0.1:{self.wires['webhooks-receiver'].port}/hook"

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep all parts alive; stop them at the end."""
        self._tending.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._tending.join()
            for part in self.parts.values():
                part.process.signal(signal.SIGCONT)
                part.process.stop()
            self.service.http.close()
            self.store.stop()

    def begin(self, fault: Fault) -> None:
        match fault.deed:
            case Deed.KILL if fault.target == "valkey":
                self.store.kill()
            case Deed.KILL:
                self.parts[fault.target].kill()
            case Deed.FREEZE:
                self._signal(fault.target, signal.SIGSTOP)
            case Deed.CUT:
                self._wire(fault).cut()
            case Deed.DELAY:
                self._wire(fault).slow(fault.strength_s)
            case Deed.RESET:
                self._wire(fault).tear()

    def end(self, fault: Fault) -> None:
        match fault.deed:
            case Deed.KILL if fault.target == "valkey":
                self.store.start()
            case Deed.KILL:
                self.parts[fault.target].mend()
            case Deed.FREEZE:
                self._signal(fault.target, signal.SIGCONT)
            case _:
                self._wire(fault).mend()

    def _wire(self, fault: Fault) -> Wire:
        return self.wires[fault.target]

    def _signal(self, target: str, number: signal.Signals) -> None:
        if target == "valkey":
            assert self.store.process is not None
            self.store.process.send_signal(number)
        else:
            self.parts[target].process.signal(number)

    def _start(self, name: str) -> Part:
        command = [sys.executable, *COMMANDS[name]]
        if name == "api":
            command += ["--port", str(self.service.port)]
        url = f"redis://127.0.0.1:{self.wires[f'{name}-valkey'].port}/0"
        env = {**self.service.env, "DARKROOM_REDIS_URL": url}
        return Part(command, env, self.service.folder / f"{name}.log")

    def _tend(self) -> None:
        while not self._is_over.wait(0.1):
            for part in self.parts.values():
                if what := part.tend():
                    self.history.add(Wrong(time.time(), what))


COMMANDS = {
    "api": ["-m", "app.cli", "api"],
    "worker-1": ["-m", "worker"],
    "worker-2": ["-m", "worker"],
    "webhooks": ["-m", "app.cli", "webhooks"],
}
