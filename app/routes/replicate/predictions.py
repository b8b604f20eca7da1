"""Replicate's predictions: made, waited for, read, canceled, listed, streamed."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from app import intake, translation
from app.dependencies import Owner, RequestLinks, Service, Services
from app.errors import FieldError, InvalidRequest
from app.headers import EVENT_STREAM, Key, LastEventId, Prefer, seconds_to_wait
from app.jobs.admission import IdempotencyKey
from app.jobs.events import BEGINNING
from app.jobs.job import Job
from app.jobs.store import cursor_of
from app.links import Links
from app.predictions import prediction
from app.routes.replicate.models import model_named
from app.routes.replicate.output import output_of
from app.routes.replicate.schemas import NAMES, PredictionRequest, is_version
from app.routes.replicate.stream import stream

router = APIRouter(prefix="/v1", tags=["replicate"])

PAGE = 100
CancelAfter = Annotated[str | None, Header(max_length=32)]


@router.post("/predictions", status_code=201, responses={410: {}})
async def create(
    body: PredictionRequest,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    prefer: Prefer = None,
    cancel_after: CancelAfter = None,
    idempotency_key: Key = None,
) -> Response:
    """Draw with the model, or version of one, that the body names."""
    wanted = body.version
    if wanted is None:
        raise InvalidRequest(FieldError(field="version", message="Field required"))
    key = IdempotencyKey.of(idempotency_key, body)

    def take_in() -> Job:
        wish = body.to_wish(_model_of(services, wanted), cancel_after)
        return translation.take_in(services, owner, links.base, wish, key)

    job = await run_in_threadpool(take_in)
    return await _answer(services, request, job, links, prefer, is_kept=key is not None)


@router.post("/models/{model_owner}/{name}/predictions", status_code=201, responses={410: {}})
@router.post("/deployments/{model_owner}/{name}/predictions", status_code=201, responses={410: {}})
async def create_with_model(
    model_owner: str,
    name: str,
    body: PredictionRequest,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    prefer: Prefer = None,
    cancel_after: CancelAfter = None,
    idempotency_key: Key = None,
) -> Response:
    """Draw with the model of the path; its deployment is the model itself."""
    key = IdempotencyKey.of(idempotency_key, body)

    def take_in() -> Job:
        wish = body.to_wish(model_named(services, model_owner, name).id, cancel_after)
        return translation.take_in(services, owner, links.base, wish, key)

    job = await run_in_threadpool(take_in)
    return await _answer(services, request, job, links, prefer, is_kept=key is not None)


@router.get("/predictions")
def newest(
    services: Service,
    owner: Owner,
    links: RequestLinks,
    cursor: Annotated[str | None, Query(pattern=r"^\d{1,12}(\.\d{1,9})?$")] = None,
) -> dict[str, Any]:
    """The caller's jobs of every dialect, newest first."""
    before = None if cursor is None else float(cursor)
    jobs = services.store.newest(owner, None, PAGE + 1, before)
    page = jobs[:PAGE]
    url = f"{links.base}/v1/predictions?cursor={cursor_of(page[-1])}" if page else None
    return {
        "previous": None,
        "next": url if len(jobs) > PAGE else None,
        "results": [prediction(job, links) for job in page],
    }


@router.get("/predictions/{job_id}")
def show(job_id: str, services: Service, owner: Owner, links: RequestLinks) -> dict[str, Any]:
    return _view(services, intake.find_job(services, job_id, owner), links)


@router.post("/predictions/{job_id}/cancel")
def cancel(job_id: str, services: Service, owner: Owner, links: RequestLinks) -> dict[str, Any]:
    """End the job before its next denoising step; no effect on one that has ended."""
    services.store.cancel(intake.find_job(services, job_id, owner))
    return _view(services, intake.find_job(services, job_id, owner), links)


@router.get("/predictions/{job_id}/stream", response_class=StreamingResponse)
async def events(
    job_id: str,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    last_event_id: LastEventId = BEGINNING,
) -> StreamingResponse:
    """Logs and pictures as they come, until `done`."""
    job = await run_in_threadpool(intake.find_job, services, job_id, owner)
    found = stream(services, job, links, last_event_id)
    return StreamingResponse(found, media_type="text/event-stream", headers=EVENT_STREAM)


def _model_of(services: Services, reference: str) -> str:
    """The id of the model whose version this is."""
    found = [one for one in services.catalogue.models() if is_version(reference, one)]
    if found:
        return found[0].id
    with translation.in_words(NAMES):
        return intake.find_model(services, reference).id


async def _answer(
    services: Services,
    request: Request,
    job: Job,
    links: Links,
    prefer: str | None,
    *,
    is_kept: bool,
) -> Response:
    """201; after a wait that saw no end 202 and `starting`, whatever the job does meanwhile.

    Their client takes every other status, if it asked to wait, for the end. Who hangs up while
    waiting has the job canceled, unless it is kept.
    """
    wait_s = seconds_to_wait(prefer)
    if wait_s:
        job = await intake.while_attended(services, request, job, wait_s, is_kept=is_kept)
    body = await run_in_threadpool(partial(_view, services, job, links))
    headers = {"Location": links.prediction(job.id), "X-Job-Id": job.id}
    if wait_s is None:
        return JSONResponse(body, 201, headers)
    headers["Preference-Applied"] = f"wait={wait_s}"
    if job.status.is_terminal:
        return JSONResponse(body, 201, headers)
    return JSONResponse({**body, "status": "starting"}, 202, headers)


def _view(services: Services, job: Job, links: Links) -> dict[str, Any]:
    images = job.images if job.status.is_terminal else []
    return prediction(job, links, output_of(services, images, links))
