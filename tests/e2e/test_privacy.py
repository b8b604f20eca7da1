"""A word in a prompt goes to the model and to who asked: to no log, metric, trace or message.

Every process logs at its most talkative here, and sends its traces to a real collector.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.jobs import keys
from tests.app.front_end import MODEL
from tests.app.webhooks.receiver import OK, receiving
from tests.collector import Collector, collecting
from tests.e2e.witness import processing
from tests.service import Service, Store, eventually

pytestmark = pytest.mark.timeout(200)

WORD = "quetzalcoatlus"
LIFETIME_S = 60  # the shortest that the settings allow
TELLING = ("/metrics", "/healthz", "/readyz", "/v1/queue", "/v1/models")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        for name, value in collector.env.items():
            monkeypatch.setenv(name, value)
        yield collector


@pytest.fixture
def house(
    store: Store, checkpoint: Path, tmp_path: Path, collector: Collector
) -> Iterator[Service]:
    service = Service(
        store,
        checkpoint,
        tmp_path,
        job_lease_s="2",
        job_ttl_s=str(LIFETIME_S),
        log_level="DEBUG",
        webhook_allow="127.0.0.0/8",
        webhook_retry_schedule="0.2,0.2",
    )
    service.start_api()
    service.start_webhooks()
    yield service
    service.stop()


def holders(redis: Redis) -> dict[str, int]:
    """Keys that hold the word anywhere, and the seconds they have left; -1: for ever."""
    found = dict[str, int]()
    for key in redis.scan_iter(count=1_000):
        if WORD.encode() in key + values(redis, key):
            found[key.decode()] = redis.ttl(key)
    return found


def values(redis: Redis, key: bytes) -> bytes:
    """All that a key holds, of whatever type."""
    readers = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: redis.smembers(key),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"stream": lambda: redis.xrange(key),
        b"none": lambda: b"",
    }
    return repr(readers[redis.type(key)]()).encode()


def live_and_die(house: Service) -> list[str]:
    """Jobs with the word in them that end in every way; their ids."""
    prompt = f"a {WORD} at night"
    worker = house.start_worker()
    with receiving((500, {}), OK) as receiver:
        wish = {"prompt": prompt, "webhook": {"url": receiver.url}, "negative_prompt": WORD}
        started = {**wish, "webhook": {"url": receiver.url, "events": ["job.processing"]}}
        done = [house.submit(num_inference_steps=2, **one)["id"] for one in (wish, started)]
        for job_id in done:
            assert house.finished(job_id)["status"] == "succeeded"

        images = house.folder / "images"
        aside = images.rename(house.folder / "aside")
        images.write_text("a file where a folder should be")
        failed = house.submit(num_inference_steps=2, **wish)["id"]
        assert house.finished(failed)["status"] == "failed"
        images.unlink()
        aside.rename(images)

        crashed = processing(house, **wish)
        worker.kill()
        house.start_worker(wait=False)
        late = house.submit(deadline_s=1, **wish)["id"]
        assert house.finished(late)["status"] in ("failed", "succeeded")
        canceled = house.submit(**wish)["id"]
        house.http.post(f"/v1/jobs/{canceled}/cancel").raise_for_status()
        for job_id in (crashed, canceled):
            house.finished(job_id)
        eventually(lambda: not house.store.redis.exists(keys.WEBHOOKS_DUE), 60)
    return [*done, failed, crashed, late, canceled]


def refuse(house: Service) -> None:
    """Requests with the word in them that are refused."""
    for body in (
        {"prompt": WORD, "width": WORD},
        {"prompt": [WORD], WORD: 1},
        {"prompt": WORD, "model": WORD},
        {"prompt": WORD, "webhook": {"url": f"ftp://{WORD}"}},
    ):
        assert house.http.post("/v1/jobs", json=body).status_code == 422
    assert house.http.post("/v1/jobs", content=f"{{{WORD}").status_code in (400, 422)


def damage(house: Service) -> None:
    """Records that no process can read, as after a downgrade: their errors must not quote them."""
    redis = house.store.redis
    spec = json.dumps({"prompt": WORD, "width": WORD})
    for number, status in enumerate(("queued", "processing")):
        job_id = f"{number:032x}"
        fields = {"id": job_id, "owner": "anonymous", "status": status, "spec": spec}
        redis.hset(keys.record(job_id), mapping={**fields, "created_at": WORD})
        assert httpx.get(f"{house.url}/v1/jobs/{job_id}").status_code == 500
        redis.delete(keys.record(job_id))
    message = {"event": "job.failed", "created_at": "1", "state": "pending", "record": spec}
    redis.hset(keys.delivery("damaged"), mapping=message)
    redis.zadd(keys.due("127.0.0.1:9"), {"damaged": 1})
    redis.zadd(keys.WEBHOOKS_DUE, {"127.0.0.1:9": 1})
    eventually(lambda: not redis.exists(keys.WEBHOOKS_DUE), 60)
    redis.delete(keys.delivery("damaged"))


def assert_untold(collector: Collector, ids: list[str]) -> None:
    """Spans of every process came, of what failed too, and none of them holds the word."""
    wanted = {"POST /v1/jobs", "queue", "job", "denoise", "store", "webhook job.succeeded"}
    eventually(lambda: {span.name for span in collector.spans} >= wanted)
    eventually(lambda: any(span.is_error for span in collector.spans))
    told = {span.attributes.get("darkroom.job_id") for span in collector.spans}
    assert len(told & set(ids)) >= 4
    assert WORD.encode() not in collector.received


@pytest.mark.usefixtures("in_a_folder")
def test_the_word_is_in_no_log_or_trace_and_in_no_key_that_outlives_its_job(
    house: Service, collector: Collector
) -> None:
    ids = live_and_die(house)
    refuse(house)
    damage(house)
    assert_untold(collector, ids)

    for path in TELLING:
        assert WORD not in house.http.get(path).text
    for log in house.folder.glob("*.log"):
        assert log.stat().st_size
        assert WORD not in log.read_text(errors="replace"), log.name
    found = holders(house.store.redis)
    assert {keys.record(job_id) for job_id in ids} <= found.keys()
    assert {key: ttl for key, ttl in found.items() if not 0 <= ttl <= LIFETIME_S} == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("in_a_folder")
def test_after_the_jobs_lifetimes_the_word_is_nowhere_in_redis(house: Service) -> None:
    live_and_die(house)
    time.sleep(LIFETIME_S + 2)

    assert holders(house.store.redis) == {}


def test_an_erased_job_takes_the_word_with_it(house: Service) -> None:
    house.store.redis.hset(keys.CATALOGUE, MODEL.id, MODEL.model_dump_json())
    with receiving((500, {})) as receiver:
        job_id = house.submit(prompt=WORD, webhook={"url": receiver.url})["id"]
        house.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        eventually(lambda: receiver.received)
        house.http.delete(f"/v1/jobs/{job_id}").raise_for_status()

    assert eventually(lambda: holders(house.store.redis) == {})
