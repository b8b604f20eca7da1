"""The life of a job as server-sent events (WHATWG HTML, section 9.2), resumable."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app import intake
from app.dependencies import Owner, RequestLinks, Service, Services
from app.headers import EVENT_STREAM, LastEventId
from app.jobs.events import BEGINNING
from app.jobs.job import Job, JobEvent, JobStatus, StoredImage
from app.links import Links
from app.schemas import ImageView, JobView
from app.translation import events_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

KEEP_ALIVE = ": still here\n\n"


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


EVENT: dict[str, Any] = {  # what stands in the lines of one event; a preview has no id
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": [*JobStatus, "progress", "preview", "image"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}


@router.get(
    "/{job_id}/events",
    response_class=EventStream,
    responses={200: {"content": {EventStream.media_type: {"schema": EVENT}}}},
)
async def events(
    job_id: str,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    previews: bool = False,
    last_event_id: LastEventId = BEGINNING,
) -> EventStream:
    """Every event after `Last-Event-ID`, each once and in order, until the job has ended.

    With `previews=true` also small pictures of what is being drawn, at most two a second of each
    image. They have no id: a resumed stream goes on with new ones.
    """
    job = await run_in_threadpool(intake.find_job, services, job_id, owner)
    stream = _stream(services, job, links, last_event_id, previews)
    return EventStream(stream, headers=EVENT_STREAM)


async def _stream(
    services: Services, job: Job, links: Links, after: str, previews: bool
) -> AsyncIterator[str]:
    if job.status.is_terminal:  # the stream is complete: nothing to wait for
        for event in await services.feed.past(job.id, after):
            yield render(event, links)
        return
    following = events_of(services, job, after, previews=previews)
    async with contextlib.aclosing(following) as events:
        async for event in events:
            yield render(event, links) if event else KEEP_ALIVE


def render(event: JobEvent, links: Links) -> str:
    """One event in the wire's form; its id is the Redis stream's, so `Last-Event-ID` resumes."""
    body = json.dumps(_body(event, links), separators=(",", ":"))
    resume = "" if event.is_preview else f"id: {event.id}\n"
    return f"{resume}event: {event.type}\ndata: {body}\n\n"


def _body(event: JobEvent, links: Links) -> dict[str, Any]:
    if job := event.job:
        return JobView.of(job, links).model_dump(mode="json")
    if event.type == "image":
        image = StoredImage.model_validate(event.data)
        url, expires_at = links.image(image.key)
        view = ImageView(**image.model_dump(exclude={"key"}), url=url, expires_at=expires_at)
        return view.model_dump(mode="json")
    return event.data
