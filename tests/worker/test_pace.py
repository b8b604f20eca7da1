"""Rates and periods, on a clock of the test's own."""

import pytest

from worker.pace import Every, Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_unknown_before_the_first_picture() -> None:
    pace = Pace(Clock())
    pace.count(0)
    assert pace.seconds_per_image is None


def test_idle_time_does_not_slow_the_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += 1_000
    pace.resume()
    clock.now += 2
    pace.count(4)
    assert pace.seconds_per_image == 0.5


def test_the_pace_follows_a_change_smoothly() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(2):
        clock.now += 1
        pace.count(1)
    clock.now += 2
    pace.count(1)
    assert pace.seconds_per_image == pytest.approx(1.2)
    for _ in range(30):
        clock.now += 2
        pace.count(1)
    assert pace.seconds_per_image == pytest.approx(2, rel=0.01)


def test_an_action_comes_once_a_period_and_at_once_when_hastened() -> None:
    clock, calls = Clock(), list[float]()
    every = Every(5, lambda: calls.append(clock.now), clock)
    for _ in range(11):
        every()
        clock.now += 1
    assert calls == [100, 105, 110]
    every.hasten()
    every()
    assert calls == [100, 105, 110, 111]


def test_an_action_that_failed_is_due_again() -> None:
    clock, calls = Clock(), list[float]()

    def fail_first() -> None:
        calls.append(clock.now)
        if len(calls) == 1:
            raise ConnectionError

    every = Every(5, fail_first, clock)
    with pytest.raises(ConnectionError):
        every()
    every()
    every()
    assert calls == [100, 100]
