"""What the soak takes for growth."""

from collections.abc import Callable
from random import Random

import pytest

from tests.bench.growth import Trend, trend, trends

HALF_AN_HOUR_S = 1_800


def series(value: Callable[[float], float]) -> list[tuple[float, float]]:
    return [(float(at), value(at)) for at in range(0, HALF_AN_HOUR_S, 2)]


def seen(name: str, value: Callable[[float], float]) -> Trend:
    return trend(name, series(value))


def test_a_leak_of_a_quarter_of_a_mebibyte_a_minute_is_seen_through_noise() -> None:
    random = Random(1)

    found = seen("api memory (MiB)", lambda at: 100 + at / 240 + random.uniform(-3, 3))

    assert found.slope == pytest.approx(0.25, rel=0.1)
    assert found.grows


def test_what_wavers_does_not_grow() -> None:
    random = Random(1)

    found = seen("Redis keys", lambda at: 2_000 + random.uniform(-900, 900))

    assert not found.grows


def test_a_burst_at_the_end_is_no_growth() -> None:
    found = seen("api file descriptors", lambda at: 30 if at < 0.95 * HALF_AN_HOUR_S else 90)

    assert (found.slope, found.grows) == (0, False)


def test_one_descriptor_lost_every_two_minutes_is_seen() -> None:
    assert seen("api file descriptors", lambda at: 30 + at // 120).grows


def test_what_is_filled_in_the_beginning_is_left_out() -> None:
    samples = [
        (at, {"Redis keys": min(at * 10, 3_000), "api memory (MiB)": 90 + at / 200})
        for at in range(0, HALF_AN_HOUR_S, 2)
    ]

    keys, memory = sorted(trends(samples), key=lambda one: one.name)

    assert (keys.name, keys.grows) == ("Redis keys", False)
    assert (memory.name, memory.grows) == ("api memory (MiB)", True)
