"""A job as Replicate's prediction: what their clients read, and what their webhooks carry.

Their client checks statuses against a closed set, so ours are mapped onto it: what waits is
`starting`, and what ran out of time is `canceled`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.jobs.job import FailureCode, Job, JobStatus
from app.jobs.store import seconds_between
from app.links import Links

OWNER = "darkroom"
INPUT_NAMES = {"num_images": "num_outputs"}  # the rest of the wish has our names there too
INPUTS = (
    "prompt", "negative_prompt", "width", "height", "num_images", "num_inference_steps",
    "guidance_scale", "scheduler", "seed", "output_format", "output_quality",
)  # fmt: skip
BAR_WIDTH = 10


def prediction(job: Job, links: Links, output: Sequence[str] | None = None) -> dict[str, Any]:
    """The whole object. `output`: the pictures in another form than their URLs."""
    spec = job.spec.model_dump(mode="json", include=set(INPUTS))
    urls = output or [links.image(image.key)[0] for image in job.images]
    limit = job.spec.deadline_s
    return {
        "id": job.id,
        "model": full_name(job.spec.model),
        "version": "hidden",
        "status": status_of(job),
        "input": {INPUT_NAMES.get(name, name): spec[name] for name in INPUTS},
        "output": urls if job.status.is_terminal and urls else None,
        "error": job.error.message if job.error else None,
        "logs": logs_of(job),
        "metrics": _metrics(job),
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.finished_at),
        "deadline": _time(job.created_at + timedelta(seconds=limit)) if limit else None,
        "data_removed": False,
        "urls": {
            "get": links.prediction(job.id),
            "cancel": links.prediction(job.id, "/cancel"),
            "stream": links.prediction(job.id, "/stream"),
            "web": links.job(job.id),
        },
    }


def full_name(model_id: str) -> str:
    """A model's `owner/name`; an id that has a slash is one already."""
    return model_id if "/" in model_id else f"{OWNER}/{model_id}"


def status_of(job: Job) -> str:
    if job.status is JobStatus.QUEUED:
        return "starting"
    if job.error and job.error.code == FailureCode.DEADLINE_EXCEEDED:
        return "canceled"
    return job.status.value


def logs_of(job: Job) -> str:
    """The seed, what is not heeded, and the line that clients read their progress from."""
    lines = [f"Using seed: {job.spec.seed}", *job.warnings]
    if job.step:
        lines.append(progress_line(job.step, job.total_steps))
    return "\n".join(lines)


def progress_line(step: int, total_steps: int) -> str:
    """As tqdm draws it: ` 40%|████      | 8/20`."""
    done = step * BAR_WIDTH // total_steps
    bar = "█" * done + " " * (BAR_WIDTH - done)
    return f"{100 * step // total_steps:3d}%|{bar}| {step}/{total_steps}"


def _metrics(job: Job) -> dict[str, float]:
    seconds = {
        "predict_time": seconds_between(job.started_at, job.finished_at),
        "total_time": seconds_between(job.created_at, job.finished_at),
    }
    return {name: value for name, value in seconds.items() if value is not None}


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
