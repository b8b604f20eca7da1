from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batcher import Batcher


@dataclass(frozen=True)
class Item:
    name: int
    batch_key: str


def batcher_of(keys: str, max_batch_size: int) -> Batcher[Item]:
    batcher = Batcher[Item](max_batch_size)
    for name, key in enumerate(keys):
        batcher.add(Item(name, key))
    return batcher


def names(batch: list[Item]) -> list[int]:
    return [item.name for item in batch]


def test_the_eldest_go_first_and_stay_until_they_are_removed() -> None:
    batcher = batcher_of("aaaa", 2)

    assert names(batcher.next_batch()) == [0, 1]
    assert names(batcher.next_batch()) == [0, 1]
    batcher.remove(Item(0, "a"))
    assert names(batcher.next_batch()) == [1, 2]


def test_a_full_lane_does_not_hold_up_another() -> None:
    batcher = batcher_of("aaab", 2)

    assert [names(batcher.next_batch()) for _ in range(4)] == [[0, 1], [3], [0, 1], [3]]


def test_a_new_key_waits_for_the_others_to_have_had_a_turn() -> None:
    batcher = batcher_of("ab", 2)
    batcher.next_batch()
    batcher.add(Item(2, "c"))

    assert [names(batcher.next_batch()) for _ in range(3)] == [[1], [0], [2]]


@given(keys=st.text("abc", min_size=1, max_size=12), max_batch_size=st.integers(1, 4))
def test_every_item_has_its_turn_and_no_batch_mixes_keys(keys: str, max_batch_size: int) -> None:
    batcher = batcher_of(keys, max_batch_size)
    served: list[int] = []

    while batch := batcher.next_batch():
        assert len(batch) <= max_batch_size
        assert len({item.batch_key for item in batch}) == 1
        served.append(batch[0].name)
        batcher.remove(batch[0])

    assert sorted(served) == list(range(len(keys)))


def test_keys_get_equally_many_turns() -> None:
    batcher = batcher_of("aaaaab", 1)

    turns = [batcher.next_batch()[0].batch_key for _ in range(10)]

    assert turns.count("a") == turns.count("b") == 5


def test_a_limit_holds_for_its_key_alone() -> None:
    batcher = batcher_of("aaabbb", 3)

    batcher.limit("a", 1)

    assert [names(batcher.next_batch()) for _ in range(2)] == [[0], [3, 4, 5]]


def test_a_batch_has_room_for_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Batcher[Item](0)
