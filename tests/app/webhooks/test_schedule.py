"""The waits between tries."""

from datetime import UTC, datetime

import pytest

from app.settings import JITTER, Settings
from app.webhooks.schedule import MAX_RETRY_AFTER_S, next_wait_s, read_retry_after

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_the_default_schedule_grows_and_lasts_a_day() -> None:
    waits = Settings().webhook_waits_s

    assert waits == sorted(set(waits))
    assert sum(waits) >= 86_400
    assert Settings().delivery_ttl_s > sum(waits) * (1 + JITTER)


def test_jitter_lengthens_a_wait_by_no_more_than_said_and_never_shortens_it() -> None:
    waits = [next_wait_s([10.0], 1) for _ in range(200)]

    assert all(10.0 <= wait <= 10.0 * (1 + JITTER) for wait in waits if wait)
    assert len(set(waits)) > 100


def test_after_the_last_wait_there_is_none() -> None:
    assert next_wait_s([1.0, 2.0], 2) is not None
    assert next_wait_s([1.0, 2.0], 3) is None
    assert next_wait_s([], 1) is None


def test_a_receiver_may_ask_for_longer_but_not_for_shorter_or_for_ever() -> None:
    assert next_wait_s([1.0], 1, 30.0) == 30.0
    assert (next_wait_s([100.0], 1, 3.0) or 0) >= 100.0
    assert next_wait_s([1.0], 1, 1e9) == MAX_RETRY_AFTER_S
    assert next_wait_s([1.0], 2, 30.0) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("9" * 400, 999_999_999.0),
        ("²", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds
