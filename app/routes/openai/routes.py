"""OpenAI Images: one call that ends with the picture, or a stream that ends with it."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from app import translation
from app.dependencies import Owner, RequestLinks, Service
from app.errors import NotSupported
from app.headers import EVENT_STREAM, Key
from app.jobs.admission import IdempotencyKey
from app.routes.openai.schemas import ImageRequest, ImagesResponse
from app.routes.openai.stream import stream

router = APIRouter(prefix="/v1/images", tags=["openai"])


@router.post("/generations", response_model=ImagesResponse, responses=translation.WITHOUT_PICTURE)
async def generate(
    body: ImageRequest,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    idempotency_key: Key = None,
) -> Response:
    """Draw, and answer with the pictures; with `stream`, as server-sent events on the way.

    Whether to stream is said by the body alone: OpenAI's client accepts JSON in both cases.
    """
    idempotency = IdempotencyKey.of(idempotency_key, body)
    take_in = partial(translation.take_in, services, owner, links.base, body.to_wish(), idempotency)
    job = await run_in_threadpool(take_in)
    headers = {"X-Job-Id": job.id}
    is_kept = idempotency is not None
    if body.stream:
        events = stream(services, job, body.partial_images or 0, is_kept=is_kept)
        headers |= EVENT_STREAM
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)
    job = await translation.drawn(services, request, job, is_kept=is_kept)

    def read() -> Response:
        wants_url = body.response_format == "url"
        files = None if wants_url else translation.pictures(services, job)
        return JSONResponse(ImagesResponse.of(job, files, links), headers=headers)

    return await run_in_threadpool(read)


@router.post("/edits")
@router.post("/variations")
async def not_yet(owner: Owner) -> Response:
    """Pictures as input are not taken yet."""
    raise NotSupported("Images as input are not supported; POST /v1/images/generations draws.")
