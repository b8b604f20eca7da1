"""The service about itself: models, queue, health."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, computed_field
from redis.exceptions import RedisError

from app.dependencies import Owner, Service, Services
from app.errors import NotFound, Unavailable
from app.jobs.catalogue import ModelInfo, WorkerInfo, seconds_per_image

router = APIRouter(tags=["system"])


class ModelView(ModelInfo):
    """A model, in fields that OpenAI's clients read too; `workers` hold it, by name `loaded_on`."""

    object: Literal["model"] = "model"
    owned_by: Literal["darkroom"] = "darkroom"
    workers: int
    loaded_on: list[str]

    @computed_field
    @property
    def is_loaded(self) -> bool:
        return self.workers > 0


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelView]


class QueueState(BaseModel):
    """Jobs waiting and being processed, and the workers heard lately."""

    depth: int
    processing: int
    workers: list[WorkerInfo]
    seconds_per_image: float | None


@router.get("/v1/models")
def models(services: Service, owner: Owner) -> ModelList:
    """All models that a worker has announced."""
    workers = services.catalogue.workers()
    return ModelList(data=[_view(model, workers) for model in services.catalogue.models()])


@router.get("/v1/models/{model_id}")
def model(model_id: str, services: Service, owner: Owner) -> ModelView:
    found = services.catalogue.model(model_id)
    if found is None:
        raise NotFound(f"There is no model {model_id[:64]!r}.")
    return _view(found, services.catalogue.workers())


@router.get("/v1/queue")
def queue(services: Service, owner: Owner) -> QueueState:
    """What is waiting, what is running, and how fast it goes."""
    ids = [found.id for found in services.catalogue.models()]
    workers = services.catalogue.workers()
    pace = seconds_per_image(workers)
    return QueueState(
        depth=services.queues.waiting(ids),
        processing=services.queues.executing(ids),
        workers=workers,
        seconds_per_image=round(pace, 4) if pace else None,
    )


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
def ready(services: Service) -> dict[str, Any]:
    """The service can take jobs and draw them; 503 says which part cannot."""
    parts = {"store": _store_state(services)}
    parts["workers"] = _worker_state(services) if parts["store"] == "ready" else "unknown"
    if any(state != "ready" for state in parts.values()):
        said = "; ".join(f"{part}: {state}" for part, state in parts.items())
        raise Unavailable(said, retry_after_s=2)
    return {"status": "ready", "parts": parts}


def _view(model: ModelInfo, workers: list[WorkerInfo]) -> ModelView:
    holding = [one.name for one in workers if one.is_ready and model.id in one.loaded]
    return ModelView(**model.model_dump(), workers=len(holding), loaded_on=holding)


def _store_state(services: Services) -> str:
    try:
        services.redis.ping()
    except RedisError as error:
        return f"cannot be reached ({type(error).__name__})"
    return "ready"


def _worker_state(services: Services) -> str:
    workers = services.catalogue.workers()
    if not workers:
        return "none is running"
    return "ready" if any(one.is_ready for one in workers) else "still loading"
