"""URLs: made when a job is read, so that no record holds one that has gone stale.

A local picture's URL is signed with HMAC-SHA256 (RFC 2104) over its key and the time it expires;
one in a bucket by the bucket's own rules, and then no picture passes through the front end.
"""

import hmac
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Protocol, cast
from urllib.parse import urlencode

from redis import Redis

from app.jobs import keys
from app.jobs.images import ImageStore

STABLE_S = 300  # a URL stays the same for so long, so that browsers can cache what it names


class UrlSigner(Protocol):
    """Gives a picture a URL for a while."""

    def url(self, base: str, key: str) -> tuple[str, datetime]:
        """The URL and the moment it stops working; `base` is where the front end answers."""
        ...


class StoreSigner:
    """URLs at the store. Each reading makes another one: their signatures carry the time."""

    def __init__(self, images: ImageStore, ttl_s: int) -> None:
        self._images = images
        self._ttl_s = ttl_s

    def url(self, base: str, key: str) -> tuple[str, datetime]:
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._ttl_s)
        return self._images.signed_url(key, self._ttl_s), expires_at


class ImageSigner:
    """Signs and checks the right to read one picture until a time.

    The secret lies in Redis, where all API processes find it; the first to need it makes it.
    """

    def __init__(self, redis: Redis, ttl_s: int) -> None:
        self.ttl_s = ttl_s
        self._redis = redis

    @cached_property
    def _secret(self) -> bytes:
        self._redis.set(keys.SIGNING_SECRET, secrets.token_hex(32), nx=True)
        return cast(bytes, self._redis.get(keys.SIGNING_SECRET))

    def expiry(self) -> int:
        """When a URL made now runs out, in seconds since 1970."""
        stable = min(STABLE_S, self.ttl_s)
        return (int(time.time()) // stable + 1) * stable + self.ttl_s

    def url(self, base: str, key: str) -> tuple[str, datetime]:
        expires = self.expiry()
        url = f"{base}/images/{key}?{self.query(key, expires)}"
        return url, datetime.fromtimestamp(expires, UTC)

    def query(self, key: str, expires: int) -> str:
        return urlencode({"expires": expires, "signature": self._signature(key, expires)})

    def allows(self, key: str, expires: int, signature: str) -> bool:
        """Whether the signature is ours; says nothing about the time."""
        return hmac.compare_digest(signature.encode(), self._signature(key, expires).encode())

    def _signature(self, key: str, expires: int) -> str:
        return hmac.new(self._secret, f"{key}\n{expires}".encode(), sha256).hexdigest()[:32]


def url_signer(images: ImageStore, front_end: ImageSigner) -> UrlSigner:
    """The signer of whoever serves these pictures: the store itself, or the front end."""
    return StoreSigner(images, front_end.ttl_s) if images.signs else front_end


class Links:
    """Absolute URLs below one base, such as `http://127.0.0.1:8000`."""

    def __init__(self, base: str, signer: UrlSigner) -> None:
        self.base = base.rstrip("/")
        self._signer = signer

    def job(self, job_id: str, action: str = "") -> str:
        return f"{self.base}/v1/jobs/{job_id}{action}"

    def prediction(self, job_id: str, action: str = "") -> str:
        """The same job, as Replicate's clients see it."""
        return f"{self.base}/v1/predictions/{job_id}{action}"

    def image(self, key: str) -> tuple[str, datetime]:
        """A picture's URL and the moment it stops working."""
        return self._signer.url(self.base, key)
