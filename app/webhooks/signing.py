"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 (RFC 2104) over id, timestamp and body.

During a rotation every message carries one signature for each key, so that receivers that know
only the old or only the new one both accept it.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import cast

from redis import Redis

from app.jobs import keys
from app.settings import SECRET_PREFIX, webhook_key

SECRET_BYTES = 32


def signed_headers(
    message_id: str, timestamp_s: int, body: bytes, signing_keys: Sequence[bytes]
) -> dict[str, str]:
    """The three headers of one try. `timestamp_s`: seconds since 1970, of this try."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = (hmac.new(key, signed, sha256).digest() for key in signing_keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }


def new_secret() -> str:
    """A random secret in the form that receivers' libraries take."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def kept_secret(redis: Redis) -> str:
    """The secret that lies in Redis for all senders; the first to ask makes it."""
    redis.set(keys.WEBHOOK_SECRET, new_secret(), nx=True)
    return cast(bytes, redis.get(keys.WEBHOOK_SECRET)).decode()


def kept_key(redis: Redis) -> bytes:
    return webhook_key(kept_secret(redis))
