"""AUTOMATIC1111's options, of which one counts here: the model, chosen by each key for itself."""

from typing import Any, cast

from fastapi import APIRouter
from redis import Redis

from app import intake
from app.dependencies import Owner, Service
from app.errors import InvalidRequest, NotFound
from app.jobs import keys

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])


class Choices:
    """Each owner's model, as last chosen."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, owner: str) -> str | None:
        found = cast(bytes | None, self._redis.hget(keys.CHOSEN_MODELS, owner))
        return found.decode() if found else None

    def choose(self, owner: str, model_id: str) -> None:
        self._redis.hset(keys.CHOSEN_MODELS, owner, model_id)


@router.get("/options")
def options(services: Service, owner: Owner) -> dict[str, Any]:
    return {
        "sd_model_checkpoint": Choices(services.redis).of(owner)
        or services.settings.default_model_id,
        "sd_vae": "Automatic",
        "samples_format": "png",
        "CLIP_stop_at_last_layers": 1,
        "enable_pnginfo": True,
    }


@router.post("/options")
def choose(changes: dict[str, Any], services: Service, owner: Owner) -> None:
    """Choose a model for this key's later calls; a client may send all options back."""
    title = changes.get("sd_model_checkpoint")
    if not title:
        return
    try:
        model = intake.find_model(services, str(title))
    except InvalidRequest as error:
        raise NotFound(f"Model not found: {str(title)[:64]!r}; {error.detail}") from error
    Choices(services.redis).choose(owner, model.id)
