"""When to try again: waits that grow, are jittered, and heed what the receiver asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom

from app.settings import JITTER

MAX_RETRY_AFTER_S = 86_400.0  # a receiver may put us off by a day, not for ever

_random = SystemRandom()


def next_wait_s(
    waits_s: Sequence[float], tries: int, retry_after_s: float | None = None
) -> float | None:
    """Seconds from the end of try number `tries`, counted from 1; None if it was the last.

    Never shorter than the schedule says: jitter only adds, so that the whole keeps its length.
    """
    if tries > len(waits_s):
        return None
    wait_s = waits_s[tries - 1] * (1 + _random.uniform(0, JITTER))
    return max(wait_s, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date)."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
