"""When all is quiet again: how every job ended, what became of its webhooks, what lies about."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from datetime import datetime

import httpx
from redis import Redis

from tests.faults.clients import events
from tests.faults.history import TERMINAL, Accepted, Ended, History, Json, Left, result_of
from tests.faults.stage import Stage

QUIET_S = 90.0
NEVER = "9999-01-01T00:00:00+00:00"


def look_back(stage: Stage, history: History, before: set[str]) -> None:
    """Wait for rest, then note down every end and all that is left of it."""
    http = httpx.Client(base_url=stage.service.url, timeout=20)
    listed = {job["id"]: job for job in all_jobs(http)}
    for job in {entry.job for entry in history.of(Accepted)} | listed.keys():
        history.add(end_of(http, job))
    for key in eventually_left(stage.store.redis, before):
        history.add(Left(key))
    http.close()


def all_jobs(http: httpx.Client) -> Iterator[Json]:
    cursor: dict[str, str] = {}
    while True:
        page = http.get("/v1/jobs", params={"limit": "100", **cursor}).json()
        yield from page["data"]
        if not page["next_cursor"]:
            return
        cursor = {"cursor": page["next_cursor"]}


def end_of(http: httpx.Client, job_id: str) -> Ended:
    """The job at its end, or as it is when patience is over."""
    give_up_at = time.monotonic() + QUIET_S
    while True:
        answer = http.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=5"})
        log = http.get(f"/v1/jobs/{job_id}/deliveries")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return Ended(time.time(), job_id, "", "", "", 0.0, 0, [], [], [], [])
        job, deliveries = answer.json(), log.json()["data"]
        is_settled = all(one["status"] != "pending" for one in deliveries)
        if (job["status"] in TERMINAL and is_settled) or time.monotonic() > give_up_at:
            break
        time.sleep(0.2)
    told = list[list[str]]()
    with (
        contextlib.suppress(httpx.ReadTimeout),  # of a job that never ended
        http.stream("GET", f"/v1/jobs/{job_id}/events", timeout=5) as stream,
    ):
        told += ([event_id, kind] for event_id, kind, _ in events(stream))
    webhook = job["request"]["webhook"]
    return Ended(
        at=time.time(),
        job=job_id,
        ask=job["metadata"].get("ask", ""),
        status=job["status"],
        result=result_of(job),
        finished_at=datetime.fromisoformat(job["finished_at"] or NEVER).timestamp(),
        attempts=job["attempts"],
        wanted=webhook["events"] if webhook else [],
        stream=told,
        deliveries=[[one["id"], one["status"]] for one in deliveries],
        bad_pictures=list(bad_pictures(http, job)),
        error=job["error"]["code"] if job["error"] else "",
    )


def bad_pictures(http: httpx.Client, job: Json) -> Iterator[str]:
    """Pictures that are missing, or are not what the job says."""
    found = [image["index"] for image in job["images"]]
    if job["status"] == "succeeded" and found != list(range(job["request"]["num_images"])):
        yield f"indices {found}"
    for image in job["images"]:
        answer = http.get(image["url"])
        if hashlib.sha256(answer.content).hexdigest() != image["sha256"]:
            yield f"{image['index']} answers {answer.status_code} and other bytes"


def lasting_keys(redis: Redis) -> set[str]:
    """Keys without an end to their life, and those of RQ's lists of what ended left aside."""
    found = set[str]()
    for key in redis.scan_iter(count=1_000):
        name = key.decode()
        is_register = name.startswith(("rq:finished:", "rq:failed:", "rq:canceled:", "rq:worker"))
        if not is_register and redis.ttl(key) == -1:
            found.add(name)
    return found


def eventually_left(redis: Redis, before: set[str]) -> set[str]:
    """What is still there after a while that was not there before the first job."""
    give_up_at = time.monotonic() + 15
    while (left := lasting_keys(redis) - before) and time.monotonic() < give_up_at:
        time.sleep(0.2)
    return left
