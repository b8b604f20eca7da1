"""Every environment variable that the processes share, read once and passed down.

Names carry the prefix DARKROOM_; a `.env` file in the working directory is read too.
"""

import base64
import binascii
import math
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DEFAULT_MODELS = "default=built-in"
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
SECRET_PREFIX, MIN_SECRET, MAX_SECRET = "whsec_", 24, 64  # Standard Webhooks 1.0.0, in bytes
JITTER = 0.2  # a wait between two tries is longer than said by up to this part
MAX_URL_TTL_S = 604_800 - 600  # S3 signs for a week at most, and a URL may live a little longer
QUOTA = r"^([1-9]\d{0,8}/[1-9]\d{0,6})?$"
SPARE_S = 3_600  # a delivery outlives its last try by at least so long


@dataclass(frozen=True)
class S3Access:
    """How a bucket is reached; None leaves it to the variables that any S3 client reads."""

    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)


class Settings(BaseSettings):
    """What the API, the worker and the command line all know.

    Attributes:
        redis_url: Unset means the embedded Valkey of `darkroom up`.
        redis_password: `@file` as well; for a `redis_url` over a network that has none in it.
        data_dir: Pictures, the embedded Valkey's files and its socket.
        api_keys: `name:secret,...` or `@file`; unset means anonymous, and loopback only.
        store_url: Where pictures are kept; unset means a folder below `data_dir`.
        s3_endpoint: Of a store that is not Amazon's; http:// will do inside a network of one's own.
        s3_public_endpoint: The same store as clients reach it; signed URLs begin with it.
        s3_access_key_id, s3_secret_access_key: `@file` as well; unset means what the environment
            of any S3 client says.
        public_url: Prefix of every URL in an answer; unset means the request's own host.
        models: `id=path` pairs, separated by commas; the paths `built-in` and `built-in-fast`
            are our own.
        max_queue: Jobs that may wait; one more is refused with 503.
        max_jobs_per_key: Jobs of one key that may wait or be drawn; one more is refused with 429.
        rate_limit_requests: Submissions of one key in so many seconds, as `100/60`.
        rate_limit_megapixel_steps: Its pixels times steps, in millions, as `500/60`.
        prompt_deny: Phrases that no prompt may hold, separated by commas, or `@file`.
        job_lease_s: A worker silent for so long loses its jobs to another.
        drain_s: After SIGTERM a worker's jobs may finish for so long; the rest goes back.
        job_ttl_s: How long a job that has ended, its events and its pictures are kept.
        embed_prompt: Whether a picture's own text says what was asked for.
        metrics_open: Whether `/metrics` needs no key from other machines either.
        access_log: Whether the API logs every answer.
        webhook_secret: `whsec_` and base64; two, separated by a comma, during a rotation. Unset
            means one that is made once and kept in Redis.
        webhook_allow: Networks and host names that webhooks may reach although they are private.
        webhook_retry_schedule: Seconds from each failed try to the next, separated by commas.
    """

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_", env_file=".env", extra="ignore", frozen=True
    )

    redis_password: SecretStr | None = None
    redis_url: str | None = None
    api_keys: SecretStr | None = None
    data_dir: Path = Path(".darkroom")
    store_url: str | None = None
    s3_endpoint: str | None = None
    s3_public_endpoint: str | None = None
    s3_region: str | None = None
    s3_access_key_id: SecretStr | None = None
    s3_secret_access_key: SecretStr | None = None
    public_url: str | None = None
    models: str = DEFAULT_MODELS
    default_model: str | None = None
    max_queue: int = Field(default=256, ge=1)
    max_jobs_per_key: int | None = Field(default=None, ge=1)
    rate_limit_requests: str = Field(default="", pattern=QUOTA)
    rate_limit_megapixel_steps: str = Field(default="", pattern=QUOTA)
    prompt_deny: str | None = None
    job_lease_s: int = Field(default=15, ge=2)
    drain_s: float = Field(default=20.0, ge=0)
    job_ttl_s: int = Field(default=86_400, ge=60)
    image_url_ttl_s: int = Field(default=3_600, ge=1, le=MAX_URL_TTL_S)
    webhook_secret: SecretStr | None = None
    webhook_allow: str = ""
    webhook_retry_schedule: str = "5,30,120,600,1800,7200,18000,28800,43200"  # 27.7 hours
    embed_prompt: bool = True
    metrics_open: bool = False
    log_level: str = "INFO"
    log_format: Literal["text", "json"] = "text"
    access_log: bool = False

    @field_validator(
        "redis_password",
        "webhook_secret",
        "s3_access_key_id",
        "s3_secret_access_key",
        mode="before",
    )
    @classmethod
    def secrets_may_lie_in_files(cls, value: object) -> object:
        """`@file` is what stands in the file, less the white space around it."""
        if not isinstance(value, str) or not value.startswith("@"):
            return value
        try:
            return Path(value[1:]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"{value[1:]}: {error.strerror}") from error

    @field_validator("redis_url")
    @classmethod
    def redis_url_carries_the_password(cls, value: str | None, info: ValidationInfo) -> str | None:
        """A password that the URL brings itself is left alone, and so is a socket's path."""
        password: SecretStr | None = info.data.get("redis_password")
        if not value or not password:
            return value
        parts = urlsplit(value)
        if parts.password is not None or parts.scheme not in ("redis", "rediss"):
            return value
        user, host = parts.username or "", parts.netloc.rpartition("@")[2]
        secret = quote(password.get_secret_value(), safe="")
        return parts._replace(netloc=f"{user}:{secret}@{host}").geturl()

    @field_validator("log_level")
    @classmethod
    def log_level_is_known(cls, value: str) -> str:
        """Refuse a level that `logging` does not know; either case will do."""
        if value.upper() not in LOG_LEVELS:
            raise ValueError(f"expected one of {', '.join(LOG_LEVELS)}, found {value!r}")
        return value.upper()

    @field_validator("models")
    @classmethod
    def models_are_pairs(cls, value: str) -> str:
        """Refuse `DARKROOM_MODELS` that is no list of id=path."""
        for pair in value.split(","):
            model_id, separator, path = pair.partition("=")
            if not (separator and model_id.strip() and path.strip()):
                raise ValueError(f"expected id=path[,id=path...], found {pair!r}")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def webhook_secrets_are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what no library of Standard Webhooks would take; empty is as good as unset."""
        for secret in _split(value.get_secret_value() if value else ""):
            webhook_key(secret)
        return value

    @field_validator("webhook_allow")
    @classmethod
    def webhook_openings_are_networks_or_hosts(cls, value: str) -> str:
        """Refuse what is neither a network nor a host name."""
        for entry in _split(value):
            if _network(entry) is None and not HOST_NAME.fullmatch(entry.lower()):
                raise ValueError(f"expected networks and host names, found {entry!r}")
        return value

    @field_validator("webhook_retry_schedule")
    @classmethod
    def webhook_waits_are_seconds(cls, value: str) -> str:
        """Refuse waits that are no numbers, negative or without an end."""
        for wait in _split(value):
            if not 0 <= float(wait) < math.inf:
                raise ValueError(f"expected seconds, found {wait!r}")
        return value

    @property
    def webhook_keys(self) -> list[bytes]:
        """The keys to sign with, the newest first; none if no setting names one."""
        secrets = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        return [webhook_key(secret) for secret in _split(secrets)]

    @property
    def webhook_networks(self) -> list[IPv4Network | IPv6Network]:
        return [found for entry in _split(self.webhook_allow) if (found := _network(entry))]

    @property
    def webhook_hosts(self) -> frozenset[str]:
        """Names of `webhook_allow`, in small letters."""
        entries = _split(self.webhook_allow)
        return frozenset(entry.lower() for entry in entries if _network(entry) is None)

    @property
    def webhook_waits_s(self) -> list[float]:
        """Seconds before the second try, the third, ...; jitter comes on top."""
        return [float(wait) for wait in _split(self.webhook_retry_schedule)]

    @property
    def delivery_ttl_s(self) -> int:
        """Seconds that a delivery is kept: as long as its job, and until all tries are over."""
        tries_s = sum(self.webhook_waits_s) * (1 + JITTER) + SPARE_S
        return max(self.job_ttl_s, math.ceil(tries_s))

    @property
    def model_paths(self) -> dict[str, str]:
        """Model ids and where their checkpoints lie, in the order given."""
        pairs = (pair.split("=", 1) for pair in self.models.split(","))
        return {model_id.strip(): path.strip() for model_id, path in pairs}

    @property
    def default_model_id(self) -> str:
        return self.default_model or next(iter(self.model_paths))

    @property
    def image_store_url(self) -> str:
        return self.store_url or (self.data_dir.resolve() / "images").as_uri()

    @property
    def s3(self) -> S3Access:
        key_id, secret = self.s3_access_key_id, self.s3_secret_access_key
        return S3Access(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_public_endpoint,
            region=self.s3_region,
            access_key_id=key_id.get_secret_value() if key_id else None,
            secret_access_key=secret.get_secret_value() if secret else None,
        )

    def connected_to(self, redis_url: str) -> Self:
        """The same settings with the Redis that was found or started."""
        return self.model_copy(update={"redis_url": redis_url})


def webhook_key(secret: str) -> bytes:
    """The bytes of a secret in the form of Standard Webhooks 1.0.0: `whsec_` and base64.

    Raises:
        ValueError: It has another form, or fewer than 24 or more than 64 bytes.
    """
    try:
        encoded = secret.removeprefix(SECRET_PREFIX)
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("expected whsec_ and base64") from error
    if not secret.startswith(SECRET_PREFIX) or not MIN_SECRET <= len(key) <= MAX_SECRET:
        raise ValueError(f"expected whsec_ and base64 of {MIN_SECRET} to {MAX_SECRET} bytes")
    return key


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None
