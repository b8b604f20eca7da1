"""Every environment variable that the processes share, read once and passed down.

Names carry the prefix DARKROOM_; a `.env` file in the working directory is read too.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
BUILT_IN = "built-in"  # as a path: the model that comes with the package
DEFAULT_MODELS = f"default={BUILT_IN}"


class Settings(BaseSettings):
    """What the API, the worker and the command line all know.

    Attributes:
        redis_url: Unset means the embedded Valkey of `darkroom up`.
        data_dir: Pictures, the embedded Valkey's files and its socket.
        api_keys: `name:secret,...` or `@file`; unset means anonymous, and loopback only.
        store_url: Where pictures are kept; unset means a folder below `data_dir`.
        public_url: Prefix of every URL in an answer; unset means the request's own host.
        models: `id=path` pairs, separated by commas; the path `built-in` is our own model.
        max_queue: Jobs that may wait; one more is refused with 503.
        job_lease_s: A worker silent for so long loses its jobs to another.
        drain_s: After SIGTERM a worker's jobs may finish for so long; the rest goes back.
        job_ttl_s: How long a job that has ended, its events and its pictures are kept.
    """

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_", env_file=".env", extra="ignore", frozen=True
    )

    redis_url: str | None = None
    api_keys: SecretStr | None = None
    data_dir: Path = Path(".darkroom")
    store_url: str | None = None
    public_url: str | None = None
    models: str = DEFAULT_MODELS
    default_model: str | None = None
    max_queue: int = Field(default=256, ge=1)
    job_lease_s: int = Field(default=15, ge=2)
    drain_s: float = Field(default=20.0, ge=0)
    job_ttl_s: int = Field(default=86_400, ge=60)
    image_url_ttl_s: int = Field(default=3_600, ge=1)
    log_level: str = "INFO"

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

    def connected_to(self, redis_url: str) -> Self:
        """The same settings with the Redis that was found or started."""
        return self.model_copy(update={"redis_url": redis_url})
