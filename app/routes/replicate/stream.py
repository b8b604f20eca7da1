"""A job as Replicate's server-sent events: `logs`, `output`, `error`, `done`, and no other.

Every one carries an `id`: their client silently drops those without, and breaks on other names.
"""

import contextlib
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from app import translation
from app.dependencies import Services
from app.jobs.job import Job, JobEvent, StoredImage
from app.links import Links
from app.predictions import logs_of, progress_line, status_of
from app.routes.replicate.output import output_of

KEEP_ALIVE = ": still here\n\n"


async def stream(services: Services, job: Job, links: Links, after: str) -> AsyncIterator[str]:
    async with contextlib.aclosing(translation.events_of(services, job, after)) as events:
        async for event in events:
            if event is None:
                yield KEEP_ALIVE
            elif event.type == "image":
                image = StoredImage.model_validate(event.data)
                (url,) = await run_in_threadpool(output_of, services, [image], links)
                yield _sse(event, "output", url)
            elif event.type == "progress":
                line = progress_line(event.data["step"], event.data["total_steps"])
                yield _sse(event, "logs", line)
            elif event.job:
                for name, data in _of_status(event.job):
                    yield _sse(event, name, data)


def _of_status(job: Job) -> list[tuple[str, str]]:
    """The events that tell of a job's new status, and their data."""
    if not job.status.is_terminal:
        return [("logs", logs_of(job))] if job.started_at else []
    match status_of(job):
        case "succeeded":
            return [("done", "{}")]
        case "canceled":
            return [("done", json.dumps({"reason": "canceled"}))]
        case _:
            message = job.error.message if job.error else ""
            error, done = json.dumps({"detail": message}), json.dumps({"reason": "error"})
            return [("error", error), ("done", done)]


def _sse(event: JobEvent, name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"id: {event.id}\nevent: {name}\n{lines}\n"
