"""What Replicate's clients ask of a service besides predictions: models, versions, itself."""

from typing import Any

from fastapi import APIRouter

from app import intake
from app.dependencies import Owner, RequestLinks, Service, Services
from app.errors import NotFound, NotSupported
from app.jobs.catalogue import ModelInfo
from app.predictions import OWNER, full_name
from app.routes.replicate.schemas import digest_of, is_version, model_view, version_view
from app.webhooks.signing import kept_secret

router = APIRouter(prefix="/v1", tags=["replicate"])


def model_named(services: Services, owner: str, name: str) -> ModelInfo:
    """The model `owner/name`.

    Raises:
        NotFound: There is none of that name.
        Unavailable: There is, and no worker has announced it yet.
    """
    wanted, found = f"{owner}/{name}", services.catalogue.models()
    for model in found:
        if full_name(model.id) == wanted:
            return model
    for model_id in services.settings.model_paths:
        if full_name(model_id) == wanted:
            return intake.find_model(services, model_id)
    known = ", ".join(full_name(model.id) for model in found) or "none yet"
    raise NotFound(f"There is no model {wanted[:128]!r}; there are: {known}.")


@router.get("/models/{model_owner}/{name}")
def model(
    model_owner: str, name: str, services: Service, owner: Owner, links: RequestLinks
) -> dict[str, Any]:
    return model_view(model_named(services, model_owner, name), links)


@router.get("/models/{model_owner}/{name}/versions")
def versions(model_owner: str, name: str, services: Service, owner: Owner) -> dict[str, Any]:
    found = [version_view(model_named(services, model_owner, name))]
    return {"previous": None, "next": None, "results": found}


@router.get("/models/{model_owner}/{name}/versions/{version}")
def version(
    model_owner: str, name: str, version: str, services: Service, owner: Owner
) -> dict[str, Any]:
    """The model's one version, by its digest or by the model's own id."""
    found = model_named(services, model_owner, name)
    if not is_version(version, found):
        raise NotFound(f"Model {full_name(found.id)!r} has no version {version[:64]!r} now.")
    return version_view(found)


@router.get("/deployments/{model_owner}/{name}")
def deployment(model_owner: str, name: str, services: Service, owner: Owner) -> dict[str, Any]:
    """Every model is deployed, once and for all."""
    found = model_named(services, model_owner, name)
    model_owner, _, name = full_name(found.id).partition("/")
    release = {
        "number": 1,
        "model": full_name(found.id),
        "version": digest_of(found),
        "created_at": version_view(found)["created_at"],
        "created_by": _account(),
        "configuration": {"hardware": "own", "min_instances": 0, "max_instances": 0},
    }
    return {"owner": model_owner, "name": name, "current_release": release}


@router.get("/account")
def account(owner: Owner) -> dict[str, Any]:
    return _account()


@router.get("/hardware")
def hardware(services: Service, owner: Owner) -> list[dict[str, str]]:
    """The devices of the workers that are running."""
    devices = sorted({worker.device for worker in services.catalogue.workers()})
    return [{"name": device, "sku": device} for device in devices]


@router.get("/webhooks/default/secret")
def secret(services: Service, owner: Owner) -> dict[str, str]:
    """What receivers check signatures with: the newest, during a rotation."""
    given = services.settings.webhook_secret
    kept = given.get_secret_value().split(",")[0].strip() if given else ""
    return {"key": kept or kept_secret(services.redis)}


@router.post("/files")
async def files(owner: Owner) -> None:
    """Pictures as input are not taken yet."""
    raise NotSupported("Files as input are not supported; input.prompt draws.")


def _account() -> dict[str, Any]:
    return {"type": "organization", "username": OWNER, "name": "Darkroom", "github_url": None}
