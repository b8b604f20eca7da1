"""The door: a bound that holds, a key that makes one job, and nothing half taken in."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.dependencies import Services
from app.jobs import keys
from app.jobs.admission import Admission, Door, IdempotencyKey, Verdict
from app.settings import Settings
from tests.app.front_end import WORKER, FrontEnd, assert_problem, make_job, serving
from tests.service import Store

ID_KEY = {"Idempotency-Key": "order-12"}


def all_at_once(front_end: FrontEnd, count: int, **headers: str) -> list[httpx.Response]:
    """`count` submissions that start together."""
    barrier = threading.Barrier(count)

    def post(_: int) -> httpx.Response:
        barrier.wait()
        return httpx.post(
            f"{front_end.url}/v1/jobs", json={"prompt": "a"}, headers=headers, timeout=20
        )

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(post, range(count)))


def snapshot(services: Services) -> dict[bytes, bytes]:
    """Every key and all that it holds."""
    return {key: services.redis.dump(key) for key in services.redis.scan_iter()}  # type: ignore[misc]


def test_a_job_is_taken_in_whole(services: Services) -> None:
    job = make_job(deadline_s=60)

    admission = services.door.admit(job, None, ["default"])

    assert admission == Admission(Verdict.ACCEPTED, job.id)
    assert services.store.get(job.id) == job
    assert services.queues.position(job) == 0
    assert services.redis.lrange(keys.doorbell("default"), 0, -1) == [job.id.encode()]
    assert services.redis.zscore(keys.owned("anonymous"), job.id) == job.created_at.timestamp()
    deadline = services.redis.zscore(keys.DEADLINES, job.id)
    assert deadline == pytest.approx(job.created_at.timestamp() + 60)


def test_the_same_job_again_is_no_second_one(services: Services) -> None:
    job = make_job()
    services.door.admit(job, None, ["default"])

    assert services.door.admit(job, None, ["default"]).verdict is Verdict.ACCEPTED
    assert services.queues.waiting(["default"]) == 1


def test_a_full_queue_refuses_and_changes_nothing(services: Services) -> None:
    door = Door(services.redis, services.queues, max_queue=2)
    for priority in ("low", "high"):  # all queues count together
        door.admit(make_job(priority=priority), None, ["default"])
    before = snapshot(services)

    admission = door.admit(
        make_job(deadline_s=60), IdempotencyKey("key", "fingerprint"), ["default"]
    )

    assert admission == Admission(Verdict.FULL, waiting=2)
    assert snapshot(services) == before


def test_there_is_room_again_when_a_job_leaves_the_queue(services: Services) -> None:
    door = Door(services.redis, services.queues, max_queue=1)
    first = make_job()
    door.admit(first, None, ["default"])
    assert door.admit(make_job(), None, ["default"]).verdict is Verdict.FULL

    services.store.cancel(first)

    assert door.admit(make_job(), None, ["default"]).verdict is Verdict.ACCEPTED


def test_a_replay_is_answered_even_when_the_queue_is_full(services: Services) -> None:
    door = Door(services.redis, services.queues, max_queue=1)
    job, key = make_job(), IdempotencyKey("key", "fingerprint")
    door.admit(job, key, ["default"])

    assert door.admit(make_job(), key, ["default"]) == Admission(Verdict.REPLAY, job.id)


def test_keys_of_two_owners_have_nothing_to_do_with_each_other(services: Services) -> None:
    key = IdempotencyKey("key", "fingerprint")

    for owner in ("one", "other"):
        verdict = services.door.admit(make_job(owner=owner), key, ["default"]).verdict
        assert verdict is Verdict.ACCEPTED


def test_a_key_is_kept_for_a_day(services: Services) -> None:
    key = IdempotencyKey("key", "fingerprint")
    services.door.admit(make_job(), key, ["default"])

    kept_s = services.redis.ttl(keys.idempotency("anonymous", key.digest))

    assert 86_390 <= kept_s <= 86_400  # type: ignore[operator]


def test_a_prompt_at_its_bounds_passes_through_the_script_unchanged(services: Services) -> None:
    job = make_job(prompt='\u2764\ufe0f"\\\n' * 400, negative_prompt="é" * 2_000)

    services.door.admit(job, None, ["default"])

    assert services.store.get(job.id) == job


def test_sixty_submissions_at_once_on_a_bound_of_forty_take_exactly_forty(
    store: Store, tmp_path: Path
) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, max_queue=40)
    with serving(settings) as front_end:
        front_end.announce()

        answers = all_at_once(front_end, 60)

        assert Counter(answer.status_code for answer in answers) == {202: 40, 503: 20}
        taken = {answer.json()["id"] for answer in answers if answer.status_code == 202}
        queued = front_end.services.redis.lrange("rq:queue:normal:default", 0, -1)
        assert {job_id.decode() for job_id in queued} == taken  # type: ignore[union-attr]
        found = [key.decode() for key in front_end.services.redis.scan_iter("darkroom:job:*")]
        records = {key.split(":")[2] for key in found}
        assert records == taken
        assert len(list(front_end.services.redis.scan_iter("rq:job:*"))) == 40
        for answer in answers:
            if answer.status_code == 503:
                assert_problem(answer, 503, "queue_full")
                assert answer.headers["retry-after"] == "20"  # 40 jobs at half a second each


def test_the_hint_of_a_full_queue_follows_the_pace(store: Store, tmp_path: Path) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, max_queue=3)
    with serving(settings) as front_end:
        front_end.announce()
        for _ in range(3):
            front_end.submit()

        def hint() -> str:
            answer = front_end.post()
            assert_problem(answer, 503, "queue_full")
            return answer.headers["retry-after"]

        assert hint() == "2"
        slow = WORKER.model_copy(update={"seconds_per_image": 10.0})
        front_end.services.catalogue.beat(slow)
        assert hint() == "30"
        front_end.services.catalogue.retire(WORKER.name)
        assert hint() == "1"


def test_fifty_posts_with_one_key_make_one_job(front_end: FrontEnd) -> None:
    answers = all_at_once(front_end, 50, **ID_KEY)

    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["id"] for answer in answers}
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {
        None: 1,
        "true": 49,
    }
    assert front_end.services.queues.waiting(["default"]) == 1
    records = list(front_end.services.redis.scan_iter("darkroom:job:*"))
    assert len(records) == 2  # the record and its events
    assert len(front_end.http.get("/v1/jobs").json()["data"]) == 1
    assert front_end.worker.job(job_id).status == "queued"


def test_a_key_is_honoured_across_a_restart_of_the_front_end(store: Store, tmp_path: Path) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path)
    with serving(settings) as first:
        first.announce()
        job = first.post(headers=ID_KEY).json()
    with serving(settings) as second:
        again = second.post(headers=ID_KEY)

    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == job["id"]
    assert again.json()["request"] == job["request"]  # the drawn seed too


def test_a_replay_shows_how_far_the_job_has_come(front_end: FrontEnd) -> None:
    job_id = front_end.post(headers=ID_KEY).json()["id"]
    front_end.worker.draw(job_id)

    again = front_end.post(headers=ID_KEY)

    assert again.json()["id"] == job_id
    assert again.json()["status"] == "succeeded"


def test_a_key_with_another_body_is_refused(front_end: FrontEnd) -> None:
    front_end.post(headers=ID_KEY, metadata={"a": "1", "b": "2"})

    assert_problem(front_end.post(headers=ID_KEY, seed=7), 422, "idempotency_mismatch")
    assert front_end.services.queues.waiting(["default"]) == 1
    same = front_end.post(headers=ID_KEY, metadata={"b": "2", "a": "1"})
    assert same.headers["idempotent-replayed"] == "true"


def test_the_key_of_an_erased_job_is_gone(front_end: FrontEnd) -> None:
    job_id = front_end.post(headers=ID_KEY).json()["id"]
    front_end.http.delete(f"/v1/jobs/{job_id}")

    assert_problem(front_end.post(headers=ID_KEY), 410, "gone")
    assert front_end.services.queues.waiting(["default"]) == 0


def test_a_refused_submission_does_not_use_up_its_key(store: Store, tmp_path: Path) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, max_queue=1)
    with serving(settings) as front_end:
        front_end.announce()
        first = front_end.submit()["id"]
        assert_problem(front_end.post(headers=ID_KEY), 503, "queue_full")
        front_end.http.post(f"/v1/jobs/{first}/cancel")

        answer = front_end.post(headers=ID_KEY)

        assert answer.status_code == 202
        assert "idempotent-replayed" not in answer.headers


def test_a_full_queue_still_takes_an_equal_part_of_every_other_owner(services: Services) -> None:
    door = Door(services.redis, services.queues, max_queue=4)

    def admitted(owner: str) -> int:
        """How many of ten the door takes."""
        jobs = [make_job(owner=owner) for _ in range(10)]
        verdicts = [door.admit(job, None, ["default", "other"]).verdict for job in jobs]
        return verdicts.count(Verdict.ACCEPTED)

    assert [admitted(owner) for owner in ("flood", "second", "third", "flood")] == [4, 2, 2, 0]


def test_the_open_jobs_of_an_owner_are_counted(services: Services) -> None:
    jobs = [make_job(owner="one") for _ in range(3)]
    for job in jobs:
        services.door.admit(job, None, ["default"])
    services.store.cancel(jobs[0])
    services.store.erase(jobs[1])

    assert services.redis.smembers(keys.open_jobs("one")) == {jobs[2].id.encode()}
