"""Request headers that several dialects heed."""

import re
from typing import Annotated

from fastapi import Header

MAX_WAIT_S = 60

Prefer = Annotated[
    str | None, Header(description="`wait=N` waits N seconds for the end (RFC 7240)")
]
Key = Annotated[str | None, Header(alias="idempotency-key", pattern=r"^[\x20-\x7e]{1,255}$")]
LastEventId = Annotated[str, Header(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")]
EVENT_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nothing may hold it back


def seconds_to_wait(prefer: str | None) -> int | None:
    """Seconds asked for by `Prefer: wait=N`, at most 60; other preferences are none of ours."""
    found = re.search(r"(?:^|[,;\s])wait(?:\s*=\s*\"?(\d{1,9})\"?)?(?=$|[,;\s])", prefer or "")
    return min(int(found[1] or MAX_WAIT_S), MAX_WAIT_S) if found else None
