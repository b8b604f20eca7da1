"""From a wish to a job: the few steps that every dialect shares, each a function.

Synchronous ones talk to Redis and run in the thread pool; the one that waits is asynchronous.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from math import ceil
from uuid import uuid4

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from app import answer_headers, tracing
from app.dependencies import Services
from app.errors import (
    FieldError,
    Gone,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    QueueFull,
    RateLimited,
    ServiceError,
    Unavailable,
)
from app.jobs import quota
from app.jobs.admission import Admission, IdempotencyKey, Verdict
from app.jobs.catalogue import ModelInfo, seconds_per_image
from app.jobs.job import Dialect, Job, JobStatus, is_job_id, now
from app.jobs.spec import GenerationSpec
from app.jobs.webhook import Webhook
from app.schemas import QueueView

log = logging.getLogger(__name__)


def find_model(services: Services, model_id: str | None) -> ModelInfo:
    """The model asked for, or the default one, as its worker announced it."""
    wanted = model_id or services.settings.default_model_id
    found = services.catalogue.model(wanted)
    if found:
        return found
    if model_id and model_id not in services.settings.model_paths:
        known = ", ".join(model.id for model in services.catalogue.models()) or "none yet"
        raise InvalidRequest(FieldError(field="model", message=f"unknown; there are: {known}"))
    raise Unavailable(f"No worker has announced model {wanted!r} yet.", retry_after_s=2)


def submit(
    services: Services,
    spec: GenerationSpec,
    owner: str,
    metadata: dict[str, str],
    idempotency: IdempotencyKey | None = None,
    webhook: Webhook | None = None,
    *,
    dialect: Dialect = Dialect.NATIVE,
    warnings: Sequence[str] = (),
    job_id: str | None = None,
) -> tuple[Job, bool]:
    """Take the wish in; the job, and whether it is a replay of an earlier submission.

    `job_id` is a new one unless the client chose it, and then nobody else's.

    Raises:
        QueueFull: As many jobs wait as may; says when to come back.
        RateLimited: The owner has spent a quota, or has as many open jobs as one may have.
        InvalidRequest: The prompt is on the deny-list, or the job costs more than a whole quota.
        IdempotencyMismatch: The key came before with another body.
        Gone: The key's job has been erased since.
    """
    if services.deny.forbids(spec.prompt):
        raise InvalidRequest(FieldError(field="prompt", message="asks for what is not drawn here"))
    job = Job(
        id=job_id or uuid4().hex,
        owner=owner,
        status=JobStatus.QUEUED,
        spec=spec,
        dialect=dialect,
        metadata=metadata,
        webhook=webhook,
        warnings=list(warnings),
        created_at=now(),
        traceparent=tracing.CURRENT.get(),
    )
    models = [model.id for model in services.catalogue.models()]
    admission = services.door.admit(job, idempotency, models)
    answer_headers.add(quota.headers(admission.balances))
    match admission.verdict:
        case Verdict.ACCEPTED:
            return job, False
        case Verdict.REPLAY:
            first = services.store.get(admission.job_id)
            if first is None:
                raise Gone("The job that this Idempotency-Key made is no longer kept.")
            return first, True
        case Verdict.MISMATCH:
            raise IdempotencyMismatch("This Idempotency-Key was used with another body.")
        case _:
            raise _refusal(services, spec, admission)


def _refusal(services: Services, spec: GenerationSpec, admission: Admission) -> ServiceError:
    """Too much, as an error that says when to come back."""
    pace = _seconds_per_job(services, spec.model)
    match admission.verdict:
        case Verdict.BUSY:
            said = f"This key has {admission.waiting} open jobs, as many as it may have."
            return RateLimited(said, retry_after_s=max(1, ceil(pace)))
        case Verdict.LIMITED:
            _refuse_if_never_allowed(services, spec)
            said = "This key has asked for as much as it may for now; RateLimit-Policy says more."
            return RateLimited(said, retry_after_s=admission.retry_after_s)
        case _:
            seconds = ceil(admission.waiting * pace)
            return QueueFull(
                f"{admission.waiting} jobs wait already.", retry_after_s=max(1, seconds)
            )


def _refuse_if_never_allowed(services: Services, spec: GenerationSpec) -> None:
    """No waiting helps a job that costs more than a whole quota."""
    for one in services.door.quotas:
        if (cost := one.cost(spec)) > one.limit:
            said = f"costs {cost:.1f} {one.unit}, and a key may have {one.limit} at a time"
            raise InvalidRequest(FieldError(field="num_inference_steps", message=said))


def find_job(services: Services, job_id: str, owner: str) -> Job:
    """The owner's job; another's is as unknown as none."""
    job = services.store.get(job_id) if is_job_id(job_id) else None
    if job is None or job.owner != owner:
        raise NotFound(f"There is no job {job_id[:64]!r}.")
    return job


def place_in_queue(services: Services, job: Job) -> QueueView | None:
    """How many jobs come first, and seconds until this one ends; None once it has left."""
    if job.status is not JobStatus.QUEUED:
        return None
    position = services.queues.position(job)
    if position is None:
        return None
    pace = _seconds_per_job(services, job.spec.model)
    eta_s = round((position + job.spec.num_images) * pace, 3)
    return QueueView(position=position, eta_s=eta_s if pace else None)


async def until_terminal(services: Services, job: Job, timeout_s: float) -> Job:
    """The job as soon as it has ended, or as it is after `timeout_s` seconds.

    Raises:
        NotFound: It has been erased meanwhile.
    """

    async def ended() -> None:
        async for _ in services.feed.follow(job.id):
            pass

    if not job.status.is_terminal and timeout_s > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended(), timeout_s)
    return await run_in_threadpool(find_job, services, job.id, job.owner)


async def while_attended(
    services: Services, request: Request, job: Job, timeout_s: float, *, is_kept: bool
) -> Job:
    """As `until_terminal`, as long as the client stays on the line.

    If it hangs up and the job is not kept, it is canceled: nobody can learn of its pictures.
    """
    waiting = asyncio.create_task(until_terminal(services, job, timeout_s))
    leaving = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return await waiting
    finally:
        waiting.cancel()
        leaving.cancel()
    if not is_kept:
        log.info("job.unattended id=%s", job.id)
        await run_in_threadpool(services.store.cancel, job)
    return job


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _seconds_per_job(services: Services, model_id: str) -> float:
    """Seconds between two pictures of this model lately; 0 if unknown."""
    workers = [one for one in services.catalogue.workers() if model_id in one.models]
    return seconds_per_image(workers) or 0.0
