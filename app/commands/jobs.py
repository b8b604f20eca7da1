"""`darkroom jobs`: what was asked for, and what became of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.client import Client, Json
from app.commands.generate import ending
from app.commands.pictures import save
from app.commands.terminal import (
    DEFAULT_URL,
    AsJson,
    Exit,
    Key,
    Url,
    asking,
    fail,
    print_json,
    print_table,
    shortened,
)
from app.commands.watching import place_in_words
from app.jobs.job import JobStatus, is_job_id

app = typer.Typer(no_args_is_help=True, help="Look at jobs, cancel them, save their pictures.")

SHORT = 12  # characters of an id in a list; as a person repeats them, they will do
MOST = 100

Id = Annotated[str, typer.Argument(metavar="ID", help="A job's id, or how it begins.")]


@app.command("list")
def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only those.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST)] = 20,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Your newest jobs."""
    with asking(url, key) as client:
        jobs = client.jobs(status, limit)
    if as_json:
        print_json(jobs)
        return
    rows = [
        (job["id"][:SHORT], job["status"], _age(job), _state(job), shortened(_prompt(job)))
        for job in jobs
    ]
    print_table(("ID", "STATUS", "AGE", "STATE", "PROMPT"), rows)


@app.command()
def show(job_id: Id, as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """One job: its request, its state, its pictures."""
    with asking(url, key) as client:
        job = _find(client, job_id)
    if as_json:
        print_json(job)
        return
    facts = {"id": job["id"], "status": job["status"], "state": _state(job), "age": _age(job)}
    for name, value in {**facts, **job["request"]}.items():
        if value not in (None, "", {}):
            print(f"{name:<20} {value}")
    for image in job["images"]:
        print(f"{'image ' + str(image['index']):<20} seed {image['seed']}  {image['url']}")


@app.command()
def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """End jobs: at once if they wait, before their next step if they are being drawn."""
    with asking(url, key) as client:
        for job_id in job_ids:
            job = client.cancel(_find(client, job_id)["id"])
            print(f"{job['id'][:SHORT]}  {job['status']}")


@app.command()
def fetch(
    job_id: Id,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File or folder.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Save the pictures of a job that has succeeded."""
    with asking(url, key) as client:
        job = _find(client, job_id)
        if job["status"] != "succeeded":
            fail(ending(job), Exit.NO_PICTURE)
        for path in save(client, job, output):
            print(path)


def _find(client: Client, text: str) -> Json:
    """The job of an id, or the one among the newest whose id begins so."""
    if is_job_id(text):
        return client.job(text)
    found = [job for job in client.jobs(limit=MOST) if job["id"].startswith(text)]
    if len(found) != 1:
        how_many = "no job" if not found else f"{len(found)} jobs"
        fail(f"{how_many} of your newest {MOST} begin with {text!r}")
    return found[0]


def _prompt(job: Json) -> str:
    return job["request"]["prompt"]


def _age(job: Json) -> str:
    age_s = (datetime.now(UTC) - datetime.fromisoformat(job["created_at"])).total_seconds()
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if age_s >= seconds:
            return f"{age_s // seconds:.0f} {unit}"
    return f"{max(age_s, 0):.0f} s"


def _state(job: Json) -> str:
    match job["status"]:
        case "queued":
            return place_in_words(job["queue"]) if job["queue"] else "in the queue"
        case "processing":
            return f"step {job['progress']['step']} of {job['progress']['total_steps']}"
        case "succeeded":
            count = len(job["images"])
            return f"{count} picture{'s' if count > 1 else ''} in {job['metrics']['total_s']:.1f} s"
        case _:
            return job["error"]["code"] if job["error"] else ""
