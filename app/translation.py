"""What the dialects of other services share: a wish in their words, and the wait for its end.

A dialect brings our fields and what it calls them; bounds and defaults are the native contract's.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

from fastapi import Request
from pydantic import ValidationError
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from app import intake
from app.dependencies import Services
from app.errors import FieldError, Gone, InvalidRequest, NoPicture, NotFound
from app.handlers import MAX_ERRORS, MAX_NAME
from app.jobs.admission import IdempotencyKey
from app.jobs.catalogue import ModelInfo
from app.jobs.events import BEGINNING
from app.jobs.job import Dialect, Job, JobEvent, JobStatus
from app.schemas import Submission

log = logging.getLogger(__name__)

QUIET_S = 15.0
LOOK_S = 60.0  # a job may be erased, and then no event says so
WITHOUT_PICTURE: dict[int | str, dict[str, Any]] = {409: {}, 410: {}, 504: {}}  # of `drawn`
STATUS = {"content_rejected": 400, "deadline_exceeded": 504}  # what else fails a job is our fault


@dataclass(frozen=True)
class Wish:
    """What a client of another dialect asks for.

    Attributes:
        fields: A native submission; None is as good as left out.
        names: What the dialect calls those of our fields that it names otherwise.
        fits: A size that the model does not draw is brought to one that it does.
        warnings: What of the wish is not heeded.
        job_id: Chosen by the client; never one that another owner may have.
    """

    dialect: Dialect
    fields: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    fits: bool = False
    warnings: Sequence[str] = ()
    job_id: str | None = None


def take_in(
    services: Services,
    owner: str,
    base_url: str,
    wish: Wish,
    idempotency: IdempotencyKey | None = None,
) -> Job:
    """A job of the wish. Talks to Redis.

    Raises:
        ServiceError: As the native intake does, fields named in the dialect's words.
    """
    with in_words(wish.names):
        submission = read(wish.fields)
        model = intake.find_model(services, submission.model)
        warnings = list(wish.warnings)
        if wish.fits:
            submission, said = fitted(submission, model)
            warnings += said
        spec = submission.to_spec(model)
    webhook = submission.webhook and submission.webhook.to_webhook(
        base_url, services.settings.delivery_ttl_s
    )
    job, _ = intake.submit(
        services,
        spec,
        owner,
        submission.metadata,
        idempotency,
        webhook,
        dialect=wish.dialect,
        warnings=warnings,
        job_id=wish.job_id,
    )
    return job


def read(fields: Mapping[str, Any]) -> Submission:
    """The native submission of these fields.

    Raises:
        InvalidRequest: Names each that is wrong.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return Submission.model_validate(given)
    except ValidationError as error:
        found = error.errors()[:MAX_ERRORS]
        raise InvalidRequest(
            *(
                FieldError(
                    field=".".join(str(part) for part in one["loc"])[:MAX_NAME], message=one["msg"]
                )
                for one in found
            )
        ) from error


@contextlib.contextmanager
def in_words(names: Mapping[str, str]) -> Generator[None]:
    """Have refusals name our fields as `names` does."""
    try:
        yield
    except InvalidRequest as error:
        renamed = [
            FieldError(field=names.get(one.field, one.field), message=one.message)
            for one in error.errors
        ]
        raise InvalidRequest(*renamed) from error


def fitted(submission: Submission, model: ModelInfo) -> tuple[Submission, list[str]]:
    """The wish in a size that the model draws, and what must be said about it."""
    asked = submission.width or model.native_size, submission.height or model.native_size
    width, height = fit(*asked, model)
    if (width, height) == asked:
        return submission, []
    said = f"size: model {model.id!r} does not draw {asked[0]}x{asked[1]}; drawn: {width}x{height}"
    return submission.model_copy(update={"width": width, "height": height}), [said]


def fit(width: int, height: int, model: ModelInfo) -> tuple[int, int]:
    """A size that the model draws: this one, or one of its proportions and the native area."""
    if all(
        model.min_size <= size <= model.max_size and size % model.size_multiple == 0
        for size in (width, height)
    ):
        return width, height
    scale = model.native_size / sqrt(width * height)
    scale = min(scale, model.max_size / max(width, height))
    scale = max(scale, model.min_size / min(width, height))
    return _nearest(width * scale, model), _nearest(height * scale, model)


def _nearest(size: float, model: ModelInfo) -> int:
    multiple = model.size_multiple
    lowest = ceil(model.min_size / multiple) * multiple
    highest = model.max_size // multiple * multiple
    return min(max(round(size / multiple) * multiple, lowest), highest)


async def drawn(services: Services, request: Request, job: Job, *, is_kept: bool) -> Job:
    """The job once it has succeeded, however long that takes.

    A client that hangs up ends its job unless `is_kept`: one that tries again makes another.

    Raises:
        NoPicture: The job failed, was canceled, or can no longer be asked about.
    """
    try:
        while not job.status.is_terminal:
            job = await intake.while_attended(services, request, job, LOOK_S, is_kept=is_kept)
            if not job.status.is_terminal and await request.is_disconnected():
                raise NoPicture(job.id, 409, "client_left", "the client hung up.")
    except (RedisError, NotFound) as error:
        raise NoPicture(job.id, 503, "unavailable", "the store cannot be asked.") from error
    if refusal := no_picture(job):
        raise refusal
    return job


async def events_of(
    services: Services, job: Job, after: str = BEGINNING, *, previews: bool = False
) -> AsyncGenerator[JobEvent | None]:
    """The job's events to its end; None now and then while nothing happens."""
    following = services.feed.follow(job.id, after, QUIET_S, previews=previews)
    async with contextlib.aclosing(following) as events:
        async for event in events:
            yield event
            if event is None and await run_in_threadpool(_is_erased, services, job.id):
                return  # no terminal event will come


def no_picture(job: Job) -> NoPicture | None:
    """Why the job ended without success; None if it did not."""
    if job.status is JobStatus.FAILED and job.error:
        status = STATUS.get(job.error.code, 500)
        return NoPicture(job.id, status, job.error.code, job.error.message)
    if job.status is JobStatus.CANCELED:
        return NoPicture(job.id, 409, "canceled", "it was canceled.")
    return None


def pictures(services: Services, job: Job) -> list[bytes]:
    """The files of the job's pictures, by index. Reads the image store.

    Raises:
        Gone: One of them is no longer kept.
    """
    found = [services.images.get(image.key) for image in job.images]
    if any(data is None for data in found):
        raise Gone("The pictures are no longer kept.")
    return [data for data in found if data is not None]


def cancel_unwatched(services: Services, job: Job) -> None:
    """End a job whose only watcher has left; returns at once, as a closing generator must."""
    asyncio.get_running_loop().run_in_executor(None, _cancel, services, job)


def _cancel(services: Services, job: Job) -> None:
    try:
        services.store.cancel(job)
    except RedisError as error:
        log.warning("job.not_canceled id=%s: %s", job.id, error)


def _is_erased(services: Services, job_id: str) -> bool:
    try:
        return services.store.get(job_id) is None
    except RedisError:
        return False  # nobody can say; the feed waits for Redis too
