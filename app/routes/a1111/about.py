"""What AUTOMATIC1111's clients look up before they draw: models, samplers, and empty lists."""

import base64
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.dependencies import Owner, Service
from app.errors import FieldError, InvalidRequest
from app.intake import find_model
from app.routes.a1111.options import Choices
from app.routes.a1111.samplers import SCHEDULERS, display_name
from app.stories import containers, parameters

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])


class PngInfo(BaseModel):
    image: str


@router.get("/sd-models")
def models(services: Service, owner: Owner) -> list[dict[str, Any]]:
    return [
        {
            "title": model.id,
            "model_name": model.id,
            "hash": None,
            "sha256": None,
            "filename": model.id,
            "config": None,
        }
        for model in services.catalogue.models()
    ]


@router.get("/samplers")
def samplers(services: Service, owner: Owner) -> list[dict[str, Any]]:
    """Those of the model that the caller has chosen."""
    model = find_model(services, Choices(services.redis).of(owner))
    return [{"name": display_name(s), "aliases": [s], "options": {}} for s in model.schedulers]


@router.get("/schedulers")
def schedulers(owner: Owner) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": label,
            "aliases": None,
            "default_rho": -1,
            "need_inner_model": False,
        }
        for name, label in SCHEDULERS.items()
    ]


@router.get("/upscalers")
@router.get("/latent-upscale-modes")
@router.get("/sd-vae")
@router.get("/sd-modules")
@router.get("/loras")
@router.get("/hypernetworks")
@router.get("/face-restorers")
@router.get("/realesrgan-models")
@router.get("/prompt-styles")
@router.get("/script-info")
async def none_of_these(owner: Owner) -> list[dict[str, Any]]:
    """Nothing of the kind; an empty list, because clients take a 404 for a broken service."""
    return []


@router.get("/scripts")
async def scripts(owner: Owner) -> dict[str, list[str]]:
    return {"txt2img": [], "img2img": []}


@router.get("/embeddings")
async def embeddings(owner: Owner) -> dict[str, dict[str, Any]]:
    return {"loaded": {}, "skipped": {}}


@router.get("/memory")
async def memory(owner: Owner) -> dict[str, dict[str, Any]]:
    return {"ram": {}, "cuda": {}}


@router.get("/cmd-flags")
@router.post("/refresh-checkpoints")
@router.post("/refresh-vae")
@router.post("/refresh-loras")
@router.post("/refresh-embeddings")
async def nothing_to_do(owner: Owner) -> dict[str, Any]:
    """Workers announce their models by themselves."""
    return {}


@router.post("/png-info")
def png_info(body: PngInfo, owner: Owner) -> dict[str, Any]:
    """What a picture says of how it was made, whoever made it."""
    try:
        data = base64.b64decode(body.image.rpartition(",")[2], validate=True)
        found = containers.carried(data)
    except (ValueError, containers.Unreadable) as error:  # of base64, or of a picture
        raise InvalidRequest(FieldError(field="image", message=str(error))) from error
    text = found.parameters or ""
    read = parameters.read(text) if text else None
    said = {"Prompt": read.prompt, "Negative prompt": read.negative_prompt} if read else {}
    return {
        "info": text,
        "items": {"parameters": text} if text else {},
        "parameters": {**said, **read.pairs} if read else {},
    }
