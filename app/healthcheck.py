"""What a container's health check asks: `python -m app.healthcheck api|webhooks|worker`.

Ends with 0 or says why not. A worker is healthy once it can draw; it must have said so lately.
"""

import socket
import sys
import urllib.request

from app.jobs.catalogue import Catalogue
from app.jobs.connection import connect
from app.settings import Settings

TIMEOUT_S = 3.0


def main(part: str) -> str | None:
    """What is wrong with this part, on this host; None if nothing is."""
    try:
        return {"api": _api, "webhooks": _redis, "worker": _worker}[part]()
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"


def _api() -> str | None:
    with urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=TIMEOUT_S):
        return None


def _redis() -> str | None:
    with connect(Settings().redis_url or "", TIMEOUT_S) as redis:
        redis.ping()
    return None


def _worker() -> str | None:
    with connect(Settings().redis_url or "", TIMEOUT_S) as redis:
        ours = f"{socket.gethostname()}-"
        workers = [one for one in Catalogue(redis).workers() if one.name.startswith(ours)]
    return None if any(one.is_ready for one in workers) else "no worker of this host is ready"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
