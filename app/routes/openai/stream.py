"""A job as OpenAI's server-sent events: pictures on their way, then each finished one.

An unknown event type breaks OpenAI's client, so nothing else is ever sent; it ignores comments.
"""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from app import translation
from app.dependencies import Services
from app.envelopes import openai_error
from app.errors import Gone, ServiceError
from app.jobs.job import Job, JobEvent, StoredImage
from app.routes.openai.schemas import completed, partial

KEEP_ALIVE = ": keepalive\n\n"
DONE = "data: [DONE]\n\n"


async def stream(
    services: Services, job: Job, partial_images: int, *, is_kept: bool
) -> AsyncIterator[str]:
    """Events until the job has ended. A client that leaves before ends it, unless `is_kept`."""
    is_over, shown = False, 0
    following = translation.events_of(services, job, previews=partial_images > 0)
    try:
        async with contextlib.aclosing(following) as events:
            async for event in events:
                if event is None:
                    yield KEEP_ALIVE
                elif event.is_preview and shown < partial_images:
                    yield _sse(partial(job, shown, event.data["image"], int(time.time())))
                    shown += 1
                elif event.type == "image":
                    yield _sse(await run_in_threadpool(_completed, services, job, event))
                elif event.is_terminal and event.job:
                    is_over = True
                    if refusal := translation.no_picture(event.job):
                        yield _sse({"error": openai_error(refusal.refusal)})
                    yield DONE
    except ServiceError as error:
        yield _sse({"error": openai_error(error.refusal)})
    finally:
        if not is_over and not is_kept:
            translation.cancel_unwatched(services, job)


def _completed(services: Services, job: Job, event: JobEvent) -> dict[str, Any]:
    image = StoredImage.model_validate(event.data)
    file = services.images.get(image.key)
    if file is None:
        raise Gone("The picture is no longer kept.")
    return completed(job, image, file, int(time.time()))


def _sse(body: dict[str, Any]) -> str:
    kind = body.get("type", "error")
    return f"event: {kind}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n"
