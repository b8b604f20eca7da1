"""What workers announce and the front end must know: models, and who serves them.

The worker writes, the API reads; an answer about models needs no tensor library.
"""

import time
from collections.abc import Iterable
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from redis import Redis

from app.jobs import keys

WORKER_TTL_S = 20.0  # several heartbeats; a worker silent for so long is not shown


class ModelInfo(BaseModel):
    """A model's card as the API shows it. Sizes in pixels; `created` in seconds since 1970."""

    id: str
    family: str
    native_size: int
    size_multiple: int
    min_size: int
    max_size: int
    default_num_inference_steps: int
    default_guidance_scale: float
    default_scheduler: str
    schedulers: list[str]
    loras: list[str] = []
    license: str
    created: int


class WorkerInfo(BaseModel, frozen=True):
    """What a worker says of itself with each heartbeat; counts are since its start.

    `models` are those that it serves, `loaded` those that it holds.
    """

    name: str
    device: str
    models: list[str]
    loaded: list[str] = []
    slots: int
    slots_used: int
    seconds_per_image: float | None = None
    is_ready: bool = False
    memory_bytes: int = 0
    forward_passes: int = 0
    rows: int = 0
    denoising_steps: int = 0
    images: int = 0
    expires_at: float = 0.0


class Catalogue:
    """Models and workers, as announced."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def announce(self, model: ModelInfo) -> None:
        self._redis.hset(keys.CATALOGUE, model.id, model.model_dump_json())

    def model(self, model_id: str) -> ModelInfo | None:
        found = cast(bytes | None, self._redis.hget(keys.CATALOGUE, model_id))
        return ModelInfo.model_validate_json(found) if found else None

    def models(self) -> list[ModelInfo]:
        """All announced models, by id."""
        found = cast(dict[bytes, bytes], self._redis.hgetall(keys.CATALOGUE))
        return sorted(
            (ModelInfo.model_validate_json(v) for v in found.values()), key=lambda m: m.id
        )

    def beat(self, worker: WorkerInfo) -> None:
        """Say that this worker lives, until `WORKER_TTL_S` from now."""
        alive = worker.model_copy(update={"expires_at": time.time() + WORKER_TTL_S})
        self._redis.hset(keys.WORKERS, worker.name, alive.model_dump_json())

    def retire(self, name: str) -> None:
        self._redis.hdel(keys.WORKERS, name)

    def workers(self) -> list[WorkerInfo]:
        """Workers that were heard lately, by name; entries of silent ones are swept away."""
        found = cast(dict[bytes, bytes], self._redis.hgetall(keys.WORKERS))
        known = {name: _read(value) for name, value in found.items()}
        silent = [n for n, worker in known.items() if not worker or worker.expires_at < time.time()]
        if silent:
            cast(Any, self._redis).hdel(keys.WORKERS, *silent)
        alive = (worker for name, worker in known.items() if worker and name not in silent)
        return sorted(alive, key=lambda worker: worker.name)


def seconds_per_image(workers: Iterable[WorkerInfo]) -> float | None:
    """Seconds between two pictures lately, all these workers together; None if unknown."""
    rates = [1 / one.seconds_per_image for one in workers if one.seconds_per_image]
    return 1 / sum(rates) if rates else None


def _read(value: bytes) -> WorkerInfo | None:
    try:
        return WorkerInfo.model_validate_json(value)
    except ValidationError:  # another version's worker during an upgrade: not ours to show
        return None
