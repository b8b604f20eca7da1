import pytest

from worker.affinity import Affinity

A, B, C = "a", "b", "c"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def affinity(clock: Clock, budget: int | None = 10) -> Affinity:
    return Affinity({A: 6, B: 6, C: 4}, budget, patience_s=5, clock=clock)


def test_what_is_held_is_served(clock: Clock) -> None:
    assert affinity(clock).willing([C, A], [], [], []) == [A, C]


def test_a_model_that_nobody_holds_is_loaded_at_once(clock: Clock) -> None:
    assert affinity(clock).willing([A], [], [], [B]) == [A, B]


def test_a_model_that_another_worker_holds_is_left_to_it_for_a_while(clock: Clock) -> None:
    one = affinity(clock)
    assert one.willing([A], [], [B], [B]) == [A]

    clock.now = 5.1

    assert one.willing([A], [], [B], [B]) == [A, B]


def test_patience_begins_anew_with_every_wait(clock: Clock) -> None:
    one = affinity(clock)
    one.willing([A], [], [B], [B])
    clock.now = 4
    one.willing([A], [], [B], [])
    clock.now = 8

    assert one.willing([A], [], [B], [B]) == [A]


def test_a_model_without_room_waits_while_the_others_are_busy(clock: Clock) -> None:
    assert affinity(clock).willing([A], [A], [], [B]) == [A]


def test_what_stands_in_the_way_of_a_starving_model_takes_no_more(clock: Clock) -> None:
    one = affinity(clock)
    one.willing([C, A], [A, C], [], [B])

    clock.now = 5.1

    assert one.willing([C, A], [A, C], [], [B]) == [C]  # b and c fit together
    assert one.willing([C], [C], [], [B]) == [B, C]


def test_a_model_larger_than_the_budget_may_be_held_alone(clock: Clock) -> None:
    one = affinity(clock, budget=1)

    assert one.willing([], [], [], [B]) == [B]
    assert one.willing([A], [A], [], [B]) == [A]


def test_without_a_budget_there_is_always_room(clock: Clock) -> None:
    assert affinity(clock, budget=None).willing([A], [A], [], [B, C]) == [A, B, C]
