"""AUTOMATIC1111's txt2img: one call that lasts as long as its picture, kept alive on the way."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from app import intake, translation
from app.dependencies import Owner, RequestLinks, Service, Services
from app.envelopes import answer
from app.errors import (
    FieldError,
    InvalidRequest,
    NoPicture,
    NotFound,
    NotSupported,
    ServiceError,
)
from app.headers import Key
from app.jobs.admission import IdempotencyKey
from app.jobs.catalogue import ModelInfo
from app.jobs.job import Job, is_job_id
from app.routes.a1111.options import Choices
from app.routes.a1111.schemas import Txt2Img, result

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])

PATIENCE_S = (
    25.0  # proxies cut a silent answer after a minute or so; blanks before JSON mean nothing
)
BLANK_EVERY_S = 15.0

Json = dict[str, Any]


@router.post("/txt2img", responses={404: {}, **translation.WITHOUT_PICTURE})
async def txt2img(
    body: Txt2Img,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    idempotency_key: Key = None,
) -> Response:
    """Draw, and answer with the pictures.

    `force_task_id` names the job: the same call again finds it instead of making another.
    """
    key = idempotency_key or (f"task {body.force_task_id}" if body.force_task_id else None)
    idempotency = IdempotencyKey.of(key, body)

    def take_in() -> Job:
        model = _model_of(services, owner, body.checkpoint)
        wish = body.to_wish(model, _job_id(services, owner, body.force_task_id))
        return translation.take_in(services, owner, links.base, wish, idempotency)

    job = await run_in_threadpool(take_in)
    headers = {"X-Job-Id": job.id}
    is_kept = idempotency is not None
    drawing = asyncio.create_task(_draw(services, request, job, body, is_kept=is_kept))
    done, _ = await asyncio.wait({drawing}, timeout=PATIENCE_S)
    if done:
        return JSONResponse(await drawing, headers=headers)
    padded = _padded(services, job, drawing, is_kept=is_kept)
    return StreamingResponse(padded, media_type="application/json", headers=headers)


@router.post("/img2img")
@router.post("/extra-single-image")
@router.post("/extra-batch-images")
@router.post("/interrogate")
async def not_yet(owner: Owner) -> Response:
    """Pictures as input are not taken yet."""
    raise NotSupported("Images as input are not supported; POST /sdapi/v1/txt2img draws.")


async def _draw(
    services: Services, request: Request, job: Job, asked: Txt2Img, *, is_kept: bool
) -> Json:
    """The answer's body. An interrupted job gives the pictures it has, as the original does."""
    try:
        job = await translation.drawn(services, request, job, is_kept=is_kept)
    except NoPicture as error:
        if error.code != "canceled":
            raise
        job = await run_in_threadpool(intake.find_job, services, job.id, job.owner)
    files = await run_in_threadpool(translation.pictures, services, job)
    return result(job, files, asked)


async def _padded(
    services: Services, job: Job, drawing: "asyncio.Task[Json]", *, is_kept: bool
) -> AsyncIterator[str]:
    """Blanks until the body is there; the status is sent, so an error can only be in the body."""
    try:
        while not drawing.done():
            yield " "
            await asyncio.wait({drawing}, timeout=BLANK_EVERY_S)
        try:
            yield json.dumps(await drawing)
        except ServiceError as error:
            said = json.loads(bytes(answer("/sdapi", error).body))
            yield json.dumps({"images": [], "parameters": {}, "info": json.dumps(said), **said})
    finally:
        if not drawing.done():
            drawing.cancel()
            if not is_kept:
                translation.cancel_unwatched(services, job)


def _model_of(services: Services, owner: str, title: str | None) -> ModelInfo:
    """The model of this call, else the one that the caller chose in the options."""
    wanted = title or Choices(services.redis).of(owner)
    try:
        return intake.find_model(services, wanted)
    except InvalidRequest as error:
        raise NotFound(f"Model not found: {str(wanted)[:64]!r}; {error.detail}") from error


def _job_id(services: Services, owner: str, task_id: str | None) -> str | None:
    """The task's id itself where it can be a job's, else one made of it."""
    if task_id is None:
        return None
    if not is_job_id(task_id):
        return hashlib.sha256(f"{owner}\n{task_id}".encode()).hexdigest()[:32]
    found = services.store.get(task_id)
    if found and found.owner != owner:
        raise InvalidRequest(FieldError(field="force_task_id", message="is taken"))
    return task_id
