"""One worker process, `python -m worker`: says which model it serves, then loads it and serves.

The announcement needs only a checkpoint's card, so clients are answered while torch still loads.
"""

import logging
import os
import sys

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from app import logs, tracing
from app.jobs.catalogue import Catalogue, ModelInfo
from app.jobs.connection import connect
from app.lifeline import end_with_supervisor
from app.turns import take_short_turns
from models.card import CheckpointError, read_card
from models.lora.folder import find_loras
from worker.patience import let_threads_sleep
from worker.settings import WorkerSettings

log = logging.getLogger("worker")

FAILED, REFUSED = 1, 2  # exit statuses: try again, and do not


def main() -> int:
    """Run until told to stop. 1: something broke and a restart may help; 2: it cannot help."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        print(f"settings: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return REFUSED
    logs.configure("worker", settings.log_level, settings.log_format)
    tracing.configure("worker")
    end_with_supervisor()
    if settings.redis_url is None:
        log.error("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
        return REFUSED
    return _serve(settings, connect(settings.redis_url))


def _serve(settings: WorkerSettings, redis: Redis) -> int:
    try:
        models = models_served(settings)
        for model in models:
            Catalogue(redis).announce(model)
        let_threads_sleep()
        take_short_turns()  # the engine wants the lock again after each operation of torch
        from worker.assembly import DeviceMissing, assemble  # imports torch: seconds
        from worker.hearing import EngineStalled
        from worker.seal import SealBroken

        try:
            assemble(settings, models, redis).work()
        except (DeviceMissing, SealBroken) as error:
            log.error("worker.refuses_to_start: %s", error)
            return REFUSED
        except EngineStalled as error:
            if not isinstance(error.__cause__, CheckpointError):
                log.exception("worker.failed")
                return FAILED
            raise error.__cause__ from None
    except CheckpointError as error:
        log.error("worker.refuses_to_start: %s", error)
        return REFUSED
    except RedisError as error:
        log.error("redis.unavailable: %s", error)
        return FAILED
    return 0


def models_served(settings: WorkerSettings) -> list[ModelInfo]:
    """What the front end must know of each model, out of its card.

    Raises:
        CheckpointError: There is no readable card where the settings say.
    """
    if settings.default_model_id not in settings.model_paths:
        raise CheckpointError(settings.default_model_id, "is not among DARKROOM_MODELS")
    for model_id in settings.served_models:
        if model_id not in settings.model_paths:
            raise CheckpointError(model_id, "is in DARKROOM_SERVE_MODELS, not in DARKROOM_MODELS")
    return [_describe(settings, model_id) for model_id in settings.served_models]


def _describe(settings: WorkerSettings, model_id: str) -> ModelInfo:
    card = read_card(settings.checkpoint(model_id))
    return ModelInfo(
        id=model_id,
        family=card.family,
        native_size=card.native_size,
        size_multiple=card.size_multiple,
        min_size=card.min_size,
        max_size=card.max_size,
        default_num_inference_steps=card.default_num_inference_steps,
        default_guidance_scale=card.default_guidance_scale,
        default_scheduler=card.default_scheduler,
        schedulers=list(card.schedulers),
        loras=sorted(find_loras(settings.lora_dir, model_id)),
        license=card.license,
        created=card.created,
    )


if __name__ == "__main__":
    status = main()
    tracing.close()
    logging.shutdown()
    os._exit(status)  # the engine's thread may be inside torch, which aborts an orderly exit
