"""Quotas and bounds of one owner, kept by the admission script on a real Valkey."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.dependencies import Services
from app.jobs import keys
from app.jobs.admission import Admission, Door, IdempotencyKey, Verdict
from app.jobs.quota import REQUESTS, WORK, Balance, Quota, headers
from tests.app.front_end import make_job


def a_door(services: Services, *quotas: Quota, max_jobs: int | None = None) -> Door:
    return Door(services.redis, services.queues, 1_000, max_jobs, quotas)


def admit(door: Door, owner: str = "one", **wish: object) -> Admission:
    return door.admit(make_job(owner=owner, **wish), None, ["default"])


def test_a_quota_is_read_from_its_setting() -> None:
    assert Quota.parse(REQUESTS, "100/60") == [Quota(REQUESTS, 100, 60)]
    assert Quota.parse(WORK, "") == []


def test_work_is_counted_in_megapixel_steps() -> None:
    spec = make_job(width=128, height=64, num_images=2, num_inference_steps=30).spec

    assert Quota(WORK, 1, 1).cost(spec) == pytest.approx(0.49152)
    assert Quota(REQUESTS, 1, 1).cost(spec) == 1


def test_headers_are_those_of_the_draft() -> None:
    balances = [
        Balance(Quota(REQUESTS, 100, 60), 99.0, 61),
        Balance(Quota(WORK, 500, 60), 12.9, 5),
    ]

    assert headers(balances) == {
        "RateLimit-Policy": '"requests";q=100;w=60;qu="requests", '
        '"megapixel-steps";q=500;w=60;qu="megapixel-steps"',
        "RateLimit": '"requests";r=99;t=61, "megapixel-steps";r=12;t=5',
    }
    assert headers([]) == {}


def test_a_spent_quota_refuses_until_some_of_it_comes_back(services: Services) -> None:
    door = a_door(services, Quota(REQUESTS, 3, 2))
    verdicts = [admit(door) for _ in range(4)]
    refused = verdicts[-1]

    assert [one.verdict for one in verdicts] == [*[Verdict.ACCEPTED] * 3, Verdict.LIMITED]
    assert [one.balances[0].left for one in verdicts] == [2, 1, 0, 0]
    assert 1 <= refused.retry_after_s <= 3
    assert admit(door, owner="other").verdict is Verdict.ACCEPTED
    time.sleep(refused.retry_after_s)
    assert admit(door).verdict is Verdict.ACCEPTED


def test_no_stretch_of_a_windows_length_holds_more_than_the_quota(services: Services) -> None:
    window_s, limit = 1, 10
    door = a_door(services, Quota(REQUESTS, limit, window_s))
    admitted, until = list[float](), time.monotonic() + 3.5
    while time.monotonic() < until:
        asked_at = time.monotonic()
        if admit(door).verdict is Verdict.ACCEPTED:
            admitted.append(time.monotonic())
            assert time.monotonic() - asked_at < 5

    # The script's clock lies between the two of a call; a call's length is all that may be missing.
    spans = [later - first for first, later in zip(admitted, admitted[limit:], strict=False)]
    assert len(admitted) > 2 * limit
    assert min(spans) > window_s * 0.9


def test_a_hundred_at_once_through_two_doors_never_exceed_the_quota(services: Services) -> None:
    doors = [a_door(services, Quota(WORK, 2, 60)) for _ in range(2)]
    cost = make_job().spec.megapixel_steps

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(lambda i: admit(doors[i % 2]).verdict, range(100)))

    assert Counter(verdicts)[Verdict.ACCEPTED] == int(2 // cost)


def test_a_replay_is_never_refused_and_costs_nothing(services: Services) -> None:
    door = a_door(services, Quota(REQUESTS, 1, 60), max_jobs=1)
    job, key = make_job(), IdempotencyKey("key", "fingerprint")
    door.admit(job, key, ["default"])

    for _ in range(3):
        assert door.admit(make_job(), key, ["default"]) == Admission(Verdict.REPLAY, job.id)
    assert door.admit(make_job(), None, ["default"]).verdict is Verdict.LIMITED


def test_a_refusal_costs_nothing(services: Services) -> None:
    full = Door(services.redis, services.queues, 1, None, [Quota(REQUESTS, 2, 60)])
    admit(full)

    for _ in range(3):
        refused = admit(full)
        assert (refused.verdict, refused.balances[0].left) == (Verdict.FULL, 1)


def test_an_owner_may_have_so_many_open_jobs(services: Services) -> None:
    door = a_door(services, max_jobs=2)
    jobs = [make_job(owner="one") for _ in range(2)]
    for job in jobs:
        door.admit(job, None, ["default"])

    assert admit(door).verdict is Verdict.BUSY
    assert admit(door, owner="other").verdict is Verdict.ACCEPTED
    services.store.cancel(jobs[0])
    assert admit(door).verdict is Verdict.ACCEPTED


def test_what_was_spent_is_forgotten_after_its_window(services: Services) -> None:
    admit(a_door(services, Quota(REQUESTS, 5, 60)))

    assert 60 < services.redis.ttl(keys.spent("one", REQUESTS)) <= 62  # type: ignore[operator]
