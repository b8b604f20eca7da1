"""The native dialect: jobs, one resource, as the contract names everything."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from app import intake
from app.dependencies import Owner, RequestLinks, Service, Services
from app.headers import Key, Prefer, seconds_to_wait
from app.jobs.admission import IdempotencyKey
from app.jobs.images import image_keys
from app.jobs.job import Job, JobStatus
from app.jobs.store import cursor_of
from app.links import Links
from app.schemas import JobPage, JobView, Submission

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

CURSOR = r"^[0-9]{1,12}(\.[0-9]{1,9})?$"
TAKEN: dict[int | str, dict[str, Any]] = {
    200: {"model": JobView, "description": "It ended within the wait"},
    409: {},
    410: {},
}


@router.post("", status_code=202, response_model=JobView, responses=TAKEN)
async def submit(
    submission: Submission,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    prefer: Prefer = None,
    idempotency_key: Key = None,
) -> Response:
    """Take a job in; with `Prefer: wait=N` answer 200 if it ends in time.

    Who hangs up while waiting has the job canceled; with an `Idempotency-Key` it is finished and
    kept, for the client can ask again.
    """

    def take_in() -> tuple[Job, bool]:
        spec = submission.to_spec(intake.find_model(services, submission.model))
        idempotency = IdempotencyKey.of(idempotency_key, submission)
        webhook = submission.webhook and submission.webhook.to_webhook(
            links.base, services.settings.delivery_ttl_s
        )
        return intake.submit(services, spec, owner, submission.metadata, idempotency, webhook)

    job, replayed = await run_in_threadpool(take_in)
    wait_s = seconds_to_wait(prefer)
    if wait_s:
        is_kept = idempotency_key is not None
        job = await intake.while_attended(services, request, job, wait_s, is_kept=is_kept)
    headers = {"Location": links.job(job.id)}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return await run_in_threadpool(_answer, services, job, links, wait_s, headers)


@router.get("")
def newest(
    services: Service,
    owner: Owner,
    links: RequestLinks,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern=CURSOR)] = None,
) -> JobPage:
    """The caller's jobs, newest first."""
    jobs = services.store.newest(owner, status, limit + 1, float(cursor) if cursor else None)
    page = jobs[:limit]
    return JobPage(
        data=[JobView.of(job, links, intake.place_in_queue(services, job)) for job in page],
        next_cursor=cursor_of(page[-1]) if len(jobs) > limit else None,
    )


@router.get("/{job_id}", response_model=JobView)
async def show(
    job_id: str,
    request: Request,
    services: Service,
    owner: Owner,
    links: RequestLinks,
    prefer: Prefer = None,
) -> Response:
    """The job; with `Prefer: wait=N` as soon as it has ended, or after N seconds."""
    wait_s = seconds_to_wait(prefer)
    if wait_s:
        job = await run_in_threadpool(intake.find_job, services, job_id, owner)
        await intake.while_attended(services, request, job, wait_s, is_kept=True)

    def read() -> JobView:
        return _view(services, intake.find_job(services, job_id, owner), links)

    return _json(await run_in_threadpool(read), 200, wait_s, {})


@router.post("/{job_id}/cancel")
def cancel(job_id: str, services: Service, owner: Owner, links: RequestLinks) -> JobView:
    """End the job before its next denoising step; no effect on one that has ended."""
    job = intake.find_job(services, job_id, owner)
    services.store.cancel(job)
    return JobView.of(intake.find_job(services, job_id, owner), links)


@router.delete("/{job_id}", status_code=204)
def erase(job_id: str, services: Service, owner: Owner) -> None:
    """Forget the job, its events and its pictures."""
    job = intake.find_job(services, job_id, owner)
    keys = image_keys(job.id, job.spec)
    services.images.delete(keys)  # first: a store that is away refuses, and can be asked again
    services.store.erase(job)
    if not job.status.is_terminal:
        services.images.delete(keys)


def _view(services: Services, job: Job, links: Links) -> JobView:
    return JobView.of(job, links, intake.place_in_queue(services, job))


def _answer(
    services: Services, job: Job, links: Links, wait_s: int | None, headers: dict[str, str]
) -> Response:
    """202 while the job goes on, with a hint when to look again; 200 once a wait saw its end."""
    view = _view(services, job, links)
    if wait_s is not None and job.status.is_terminal:
        return _json(view, 200, wait_s, headers)
    eta_s = view.queue.eta_s if view.queue else None
    return _json(view, 202, wait_s, {**headers, "Retry-After": str(max(1, round(eta_s or 1)))})


def _json(view: JobView, status: int, wait_s: int | None, headers: dict[str, str]) -> Response:
    if wait_s is not None:
        headers = {**headers, "Preference-Applied": f"wait={wait_s}"}
    return JSONResponse(view.model_dump(mode="json"), status, headers)
