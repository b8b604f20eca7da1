"""URLs: made when a job is read, so that no record holds one that has gone stale.

A local picture's URL is signed with HMAC-SHA256 (RFC 2104) over its key and the time it expires.
"""

import hmac
import secrets
import time
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import cast
from urllib.parse import urlencode

from redis import Redis

from app.jobs import keys

STABLE_S = 300  # a URL stays the same for so long, so that browsers can cache what it names


class ImageSigner:
    """Signs and checks the right to read one picture until a time.

    The secret lies in Redis, where all API processes find it; the first to need it makes it.
    """

    def __init__(self, redis: Redis, ttl_s: int) -> None:
        self._redis = redis
        self._ttl_s = ttl_s

    @cached_property
    def _secret(self) -> bytes:
        self._redis.set(keys.SIGNING_SECRET, secrets.token_hex(32), nx=True)
        return cast(bytes, self._redis.get(keys.SIGNING_SECRET))

    def expiry(self) -> int:
        """When a URL made now runs out, in seconds since 1970."""
        stable = min(STABLE_S, self._ttl_s)
        return (int(time.time()) // stable + 1) * stable + self._ttl_s

    def query(self, key: str, expires: int) -> str:
        return urlencode({"expires": expires, "signature": self._signature(key, expires)})

    def allows(self, key: str, expires: int, signature: str) -> bool:
        """Whether the signature is ours; says nothing about the time."""
        return hmac.compare_digest(signature.encode(), self._signature(key, expires).encode())

    def _signature(self, key: str, expires: int) -> str:
        return hmac.new(self._secret, f"{key}\n{expires}".encode(), sha256).hexdigest()[:32]


class Links:
    """Absolute URLs below one base, such as `http://127.0.0.1:8000`."""

    def __init__(self, base: str, signer: ImageSigner) -> None:
        self.base = base.rstrip("/")
        self._signer = signer

    def job(self, job_id: str, action: str = "") -> str:
        return f"{self.base}/v1/jobs/{job_id}{action}"

    def image(self, key: str) -> tuple[str, datetime]:
        """A picture's URL and the moment it stops working."""
        expires = self._signer.expiry()
        url = f"{self.base}/images/{key}?{self._signer.query(key, expires)}"
        return url, datetime.fromtimestamp(expires, UTC)
