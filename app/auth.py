"""API keys: who is asking. Knows no routes; keeps digests only, and compares in constant time.

`DARKROOM_API_KEYS` is `name:secret,...` or `@file` with one `name:secret` a line. The file is read
again whenever it changes, so keys are rotated without a restart: two lines of one name are two
secrets of the same owner. Where the secret itself should not lie, `name:sha256:HEX` holds its
SHA-256 (`printf %s SECRET | sha256sum`).
"""

import base64
import hmac
import logging
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from app.errors import Unauthorized

log = logging.getLogger(__name__)

ANONYMOUS = "anonymous"  # the owner of every job while there are no keys
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
HASHED = re.compile(r"sha256:([0-9a-fA-F]{64})")
MIN_SECRET = 16


@dataclass(frozen=True)
class ApiKey:
    """An owner and the SHA-256 of one secret."""

    owner: str
    digest: bytes


class KeyRing:
    """The keys of the settings; none at all lets everybody in as `ANONYMOUS`."""

    def __init__(self, keys: SecretStr | None) -> None:
        """Read the keys.

        Raises:
            ValueError: The source cannot be read or is no list of name:secret; says where.
        """
        source = keys.get_secret_value() if keys else None
        self.is_open = not source
        self._file: Path | None = None
        self._changed_at = 0
        self._keys: list[ApiKey] = []
        if source and source.startswith("@"):
            self._file = Path(source[1:])
            self._read(self._file)
        elif source:
            self._keys = parse(source.split(","))
        if source and not self._keys:
            raise ValueError("there is no key in it")

    def owner_of(self, authorization: str | None) -> str:
        """Who holds the secret that the header carries.

        Raises:
            Unauthorized: Nobody does.
        """
        if self.is_open:
            return ANONYMOUS
        secret = secret_in(authorization or "")
        digest = sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found = [key.owner for key in self._current() if hmac.compare_digest(key.digest, digest)]
        if not found:
            raise Unauthorized("Send one of the service's keys as `Authorization: Bearer KEY`.")
        return found[0]

    def _current(self) -> list[ApiKey]:
        """The keys as they are now; while the file is broken or away, as they were."""
        if self._file:
            try:
                self._read(self._file)
            except ValueError as error:
                log.warning("keys.unreadable: %s; those read before still hold", error)
        return self._keys

    def _read(self, file: Path) -> None:
        try:
            changed_at = file.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._keys = parse(file.read_text(encoding="utf-8").splitlines())
                self._changed_at = changed_at
        except OSError as error:
            raise ValueError(f"{file}: {error.strerror}") from error


def secret_in(authorization: str) -> str:
    """The secret of `Bearer SECRET` (RFC 6750), or the password of `Basic ...` (RFC 7617).

    Replicate's first clients say `Token`; AUTOMATIC1111's know names and passwords, and the name
    does not matter here. Anything else is an empty secret, which nobody has.
    """
    scheme, _, given = authorization.partition(" ")
    match scheme.lower():
        case "bearer" | "token":
            return given.strip()
        case "basic":
            try:
                return base64.b64decode(given, validate=True).decode().partition(":")[2]
            except ValueError:  # no base64, or no text in it
                return ""
        case _:
            return ""


def parse(entries: list[str]) -> list[ApiKey]:
    """Keys of `name:secret` entries; blank ones and comments are passed over.

    Raises:
        ValueError: Names the entry by its place, never by its secret.
    """
    keys: list[ApiKey] = []
    for place, entry in enumerate(entries, start=1):
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        name, _, secret = entry.strip().partition(":")
        if not NAME.fullmatch(name):
            raise ValueError(f"key {place}: expected name:secret, the name of A-Z a-z 0-9 _ -")
        if hashed := HASHED.fullmatch(secret):
            keys.append(ApiKey(name, bytes.fromhex(hashed[1])))
            continue
        if len(secret) < MIN_SECRET:
            raise ValueError(f"key {place} ({name}): a secret has at least {MIN_SECRET} characters")
        keys.append(ApiKey(name, sha256(secret.encode()).digest()))
    return keys
