"""What every answer carries, and what a limited key reads in its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving
from tests.service import Store


@pytest.fixture
def limited(store: Store, tmp_path: Path) -> Iterator[FrontEnd]:
    settings = Settings(
        redis_url=store.url,
        data_dir=tmp_path,
        rate_limit_requests="3/60",
        rate_limit_megapixel_steps="1/60",
        max_jobs_per_key=2,
    )
    with serving(settings) as front_end:
        front_end.announce()
        yield front_end


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs/none", "/v1/models", "/", "/images/x"])
def test_every_answer_is_safe_in_a_browser(path: str, front_end: FrontEnd) -> None:
    headers = front_end.http.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_answer_says_what_is_left(limited: FrontEnd) -> None:
    answer = limited.post()

    assert answer.status_code == 202
    assert answer.headers["ratelimit-policy"] == (
        '"requests";q=3;w=60;qu="requests", "megapixel-steps";q=1;w=60;qu="megapixel-steps"'
    )
    assert re.fullmatch(
        r'"requests";r=2;t=6\d, "megapixel-steps";r=0;t=6\d', answer.headers["ratelimit"]
    )


def test_without_limits_an_answer_says_nothing_of_them(front_end: FrontEnd) -> None:
    assert "ratelimit" not in front_end.post().headers


def test_too_many_open_jobs_are_refused_until_one_has_ended(limited: FrontEnd) -> None:
    first = limited.submit()["id"]
    limited.submit()

    answer = limited.post()

    assert_problem(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    limited.http.post(f"/v1/jobs/{first}/cancel")
    assert limited.post().status_code == 202


def test_a_spent_quota_is_a_429_that_says_when_to_come_back(limited: FrontEnd) -> None:
    for _ in range(3):
        limited.http.post(f"/v1/jobs/{limited.submit()['id']}/cancel")

    answer = limited.post()

    assert_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 62
    assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')


def test_a_job_that_no_waiting_can_help_names_its_field(limited: FrontEnd) -> None:
    problem = assert_problem(
        limited.post(num_inference_steps=150, num_images=8), 422, "invalid_request"
    )

    assert problem["errors"][0]["field"] == "num_inference_steps"
    assert "4.9 megapixel-steps" in problem["errors"][0]["message"]
