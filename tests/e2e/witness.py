"""What a test of faults asks of a service from outside: what was told, what was left behind."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from redis import Redis

from app.jobs import keys
from app.jobs.queues import queue_names
from tests.service import Json, Service, eventually

LONG = 150  # steps: a job that is still there when it is looked for
QUEUE = f"rq:queue:{queue_names(['default'])[1]}"
TERMINAL = ("succeeded", "failed", "canceled")


def pictures(service: Service) -> Counter[str]:
    """How many pictures of each job lie in the store."""
    found = service.image_store().older_than(datetime.now(UTC) + timedelta(days=1))
    return Counter(key.partition("/")[0] for keys in found for key in keys)


def events(redis: Redis, job_id: str) -> list[str]:
    return [fields[b"type"].decode() for _, fields in redis.xrange(keys.events(job_id))]


def assert_well_told(told: list[str]) -> None:
    """Statuses move forward, and nothing follows the one terminal event."""
    assert told[0] == "queued"
    assert [kind for kind in told if kind in TERMINAL] == told[-1:]
    assert "queued" not in told[1:]


def assert_rq_is_empty(redis: Redis, ids: list[str]) -> None:
    """No job of ours waits, runs or is stuck anywhere in RQ."""
    for name in queue_names(["default"]):
        for key in (f"rq:queue:{name}", f"rq:queue:{name}:intermediate", f"rq:wip:{name}"):
            assert redis.type(key) == b"none", key
    for job_id in ids:
        for key in redis.scan_iter(f"rq:*{job_id}*"):
            assert redis.ttl(key) > 0, key


def recorded(service: Service, job_id: str, name: str) -> str:
    found = service.store.redis.hget(keys.record(job_id), name)
    return found.decode() if isinstance(found, bytes) else ""


def processing(service: Service, **wish: object) -> str:
    """A job that is being drawn."""
    wish = {"num_inference_steps": LONG, **wish}
    job_id = service.submit(**wish)["id"]
    eventually(lambda: int(recorded(service, job_id, "step") or 0) > 0)
    return job_id


def held(service: Service) -> list[str]:
    """Ids of the jobs that RQ says are being run."""
    entries = service.store.redis.zrange(f"rq:wip:{queue_names(['default'])[1]}", 0, -1)
    return [entry.decode().partition(":")[0] for entry in entries]


def running(service: Service) -> list[str]:
    """Those of them of which our record says the same."""
    return [one for one in held(service) if recorded(service, one, "status") == "processing"]


def assert_all_succeeded(service: Service, ids: list[str]) -> list[Json]:
    redis = service.store.redis
    jobs = [service.finished(job_id) for job_id in ids]
    assert Counter(job["status"] for job in jobs) == {"succeeded": len(ids)}
    for job in jobs:
        count = job["request"]["num_images"]
        assert [image["index"] for image in job["images"]] == list(range(count))
        assert pictures(service)[job["id"]] == count
        told = events(redis, job["id"])
        assert told.count("image") == count
        assert_well_told(told)
    eventually(lambda: not held(service))
    assert_rq_is_empty(redis, ids)
    return jobs
