"""AUTOMATIC1111's progress and interrupt, of the caller's own jobs and nobody else's.

The original knows one job, whoever it belongs to. Here it is the caller's: of those asked for in
this dialect, the one that is drawn, else the one that has waited longest.
"""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from app import intake
from app.dependencies import Owner, Service, Services
from app.jobs.job import Dialect, Job, JobStatus
from app.jobs.previews import Previews
from app.routes.a1111.schemas import stamp

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])


@router.get("/progress")
def progress(services: Service, owner: Owner, skip_current_image: bool = False) -> dict[str, Any]:
    """How far the current job is; with a small picture of it unless that is skipped."""
    job = current_job(services, owner)
    if job is None:
        return _state(None, 0.0, 0.0, None)
    fraction = job.step / job.total_steps
    image = None if skip_current_image else _preview(services, job)
    return _state(job, fraction, _seconds_left(services, job, fraction), image)


@router.post("/interrupt")
@router.post("/skip")
def interrupt(services: Service, owner: Owner) -> dict[str, Any]:
    """End the current job before its next denoising step; the pictures it has are kept."""
    if job := current_job(services, owner):
        services.store.cancel(job)
    return {}  # their client breaks on an answer without a body


def current_job(services: Services, owner: str) -> Job | None:
    """The caller's job that this dialect's calls are about."""
    found = [job for job in services.store.open_jobs_of(owner) if job.dialect is Dialect.A1111]
    drawn_first = sorted(found, key=lambda job: (job.status is JobStatus.QUEUED, job.created_at))
    return drawn_first[0] if drawn_first else None


def _preview(services: Services, job: Job) -> str | None:
    """Base64 of the newest; asking makes the worker draw some for a while."""
    previews = Previews(services.redis)
    previews.wish(job.id)
    found = previews.latest(job.id)
    return found[min(found)].partition(",")[2] if found else None


def _seconds_left(services: Services, job: Job, fraction: float) -> float:
    if job.started_at and fraction:
        passed_s = (datetime.now(UTC) - job.started_at).total_seconds()
        return round(passed_s * (1 - fraction) / fraction, 2)
    place = intake.place_in_queue(services, job)
    return (place.eta_s or 0.0) if place else 0.0


def _state(
    job: Job | None, fraction: float, seconds_left: float, image: str | None
) -> dict[str, Any]:
    return {
        "progress": round(fraction, 4),
        "eta_relative": seconds_left,
        "state": {
            "skipped": False,
            "interrupted": bool(job and job.is_cancel_requested),
            "stopping_generation": bool(job and job.is_cancel_requested),
            "job": job.id if job else "",
            "job_count": 1 if job else 0,
            "job_timestamp": stamp(job) if job else "0",
            "job_no": 0,
            "sampling_step": job.step if job else 0,
            "sampling_steps": job.total_steps if job else 0,
        },
        "current_image": image,
        "textinfo": "waiting" if job and job.status is JobStatus.QUEUED else None,
    }
