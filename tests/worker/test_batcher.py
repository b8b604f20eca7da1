import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.world import LINEAR, Item, World
from worker.batcher import Batcher
from worker.claim import AGEING
from worker.cost import FREE, CostCurve


def test_equals_are_served_in_order_of_arrival_and_stay_until_they_are_done() -> None:
    world = World(max_batch_size=2)
    for name in range(4):
        world.add(name, steps=2)

    world.run()

    assert world.passes == [[0, 1], [0, 1], [2, 3], [2, 3]]


def test_the_shortest_work_goes_first_and_a_shorter_newcomer_at_the_very_next_pass() -> None:
    world = World(max_batch_size=1)
    world.add(0, steps=9)
    world.add(1, steps=3)
    world.step()
    world.add(2, steps=1)

    world.run()

    assert world.passes[:4] == [[1], [2], [1], [1]]


def test_what_is_taken_out_frees_its_rows_for_the_very_next_pass() -> None:
    world = World(max_batch_size=1)
    gone = world.add(0, steps=3)
    world.add(1, steps=3)
    world.step()

    world.batcher.remove(gone)
    world.step()

    assert world.passes == [[0], [1]]


def test_an_unguided_image_takes_half_a_place() -> None:
    world = World(max_batch_size=2)
    for name in range(5):
        world.add(name, steps=1, num_rows=1)

    world.run()

    assert world.passes == [[0, 1, 2, 3], [4]]


def test_what_does_not_fit_is_passed_over_for_what_does() -> None:
    world = World(max_batch_size=2)
    world.add(0, steps=1, num_rows=1)
    world.add(1, steps=1)
    world.add(2, steps=2)
    world.add(3, steps=9, num_rows=1)

    world.step()

    assert world.passes == [[0, 1, 3]]


def test_where_rows_cost_the_same_in_any_company_one_image_a_pass_is_drawn() -> None:
    world = World(costs=LINEAR)
    for name in range(3):
        world.add(name, steps=1)

    world.run()

    assert world.passes == [[0], [1], [2]]


def test_larger_latents_count_as_more_rows_of_the_cost_curve() -> None:
    halving = CostCurve({1: 1.0, 2: 1.2, 4: 1.6, 8: 2.4, 16: 4.8})
    world = World(costs=halving)
    for name in range(4):
        world.add(name, steps=1, size=4.0, batch_key="large")

    world.step()

    assert world.passes == [[0]]


def test_the_most_urgent_one_chooses_the_key_and_no_other_key_waits_for_room() -> None:
    world = World(max_batch_size=2)
    for name in range(3):
        world.add(name, steps=5)
    world.add(3, steps=1, batch_key="b")

    world.run()

    assert world.passes[:2] == [[3], [0, 1]]


def test_a_limit_holds_for_its_key_alone() -> None:
    world = World()
    for name in range(6):
        world.add(name, steps=1, batch_key="aaabbb"[name])

    world.batcher.limit("a", 2)
    world.run()

    assert world.passes == [[0], [1], [2], [3, 4, 5]]


@given(
    keys=st.text("abc", min_size=1, max_size=12),
    rows=st.data(),
    max_batch_size=st.integers(1, 4),
)
def test_everybody_ends_and_no_pass_mixes_keys_or_exceeds_its_rows(
    keys: str, rows: st.DataObject, max_batch_size: int
) -> None:
    world = World(max_batch_size=max_batch_size)
    items = [
        world.add(
            name,
            steps=rows.draw(st.integers(1, 5)),
            batch_key=key,
            num_rows=rows.draw(st.integers(1, 2)),
        )
        for name, key in enumerate(keys)
    ]

    world.run()

    assert sorted(world.ended) == list(range(len(keys)))
    for served in world.passes:
        assert len({items[name].batch_key for name in served}) == 1
        assert sum(items[name].num_rows for name in served) <= 2 * max_batch_size


def test_a_long_job_does_not_starve_in_a_stream_of_short_ones_that_fills_the_device() -> None:
    world = World(costs=LINEAR)
    long = world.add(0, steps=50)
    own_s = long.claim.work_left

    while 0 not in world.ended:
        world.add(len(world.passes) + 1, steps=1)  # as much as the device can do
        world.step()

    # Served until the first short one came, then overtaken until its waiting outweighed its work.
    assert 0.5 * own_s / AGEING < world.ended[0] < 2 * own_s / AGEING


def first_come_s(steps: list[int], rows: int) -> float:
    """Mean latency if the first so many rows share every pass, where a row costs a second."""
    left, now, ended = dict(enumerate(steps)), 0.0, list[float]()
    while left:
        batch = list(left)[: rows // 2]
        now += 2 * len(batch)
        for name in batch:
            left[name] -= 1
            if not left[name]:
                ended.append(now)
                del left[name]
    return sum(ended) / len(steps)


@pytest.mark.parametrize("seed", range(5))
def test_where_batching_is_no_cheaper_it_still_makes_nobody_wait_longer_on_average(
    seed: int,
) -> None:
    steps = random.Random(seed).choices([4, 10, 20, 30, 50], k=16)
    one_at_a_time_s = first_come_s(steps, rows=2)
    world = World(costs=LINEAR)
    for name, count in enumerate(steps):
        world.add(name, steps=count)

    world.run()

    ours_s = sum(world.ended.values()) / len(steps)
    assert ours_s < 0.9 * one_at_a_time_s < one_at_a_time_s < first_come_s(steps, rows=16)


SHRINKING = CostCurve({1: 1.0, 2: 1.1, 4: 1.7, 8: 2.8, 16: 5.4})  # as measured on a CPU


def test_a_short_job_among_long_ones_takes_at_most_twice_its_time_alone() -> None:
    alone = World(SHRINKING)
    alone.add(0, steps=8)
    alone.run()
    world = World(SHRINKING)
    for name in range(8):
        world.add(name, steps=50)
    world.step()
    began = world.now - SHRINKING.seconds(8) / 2  # it came when a pass was half done
    world.add(99, steps=8)

    world.run()

    assert 1.2 < (world.ended[99] - began) / alone.ended[0] <= 2
    beside_it = [one for one in world.passes if 99 in one]
    assert all(len(one) == 2 for one in beside_it)  # somebody goes along, nobody else waits idly
    assert max(len(one) for one in world.passes) == 4


def test_a_batch_has_room_for_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Batcher[Item](0)


def of(owner: str, world: World, name: int, steps: int) -> Item:
    item = world.add(name, steps)
    item.claim.owner = owner
    return item


def test_owners_share_a_pass_however_many_images_each_has_inside() -> None:
    world = World(max_batch_size=8)
    for name in range(30):
        of("a", world, name, steps=20)
    world.step()
    for name in range(100, 104):
        of("b", world, name, steps=20)

    world.step()

    assert sorted(world.passes[-1])[4:] == [100, 101, 102, 103]


def test_owners_take_turns_where_one_image_fills_a_pass() -> None:
    world = World(LINEAR, max_batch_size=8)
    for name in range(10):
        of("a", world, name, steps=3)
    of("b", world, 100, steps=6)
    for _ in range(8):
        world.step()

    assert [one.count(100) for one in world.passes] in ([0, 1] * 4, [1, 0] * 4)


def test_an_owner_that_comes_back_has_saved_up_no_claim() -> None:
    world = World(LINEAR, max_batch_size=1)
    of("b", world, 100, steps=1)
    for name in range(10):
        of("a", world, name, steps=4)
    while 100 not in world.ended:
        world.step()
    for _ in range(10):
        world.step()
    of("b", world, 101, steps=4)
    for _ in range(6):
        world.step()

    assert sum(101 in one for one in world.passes[-6:]) == 3


@pytest.mark.parametrize("costs", [FREE, LINEAR])
def test_a_crowd_inside_makes_nobody_wait_more_than_twice(costs: CostCurve) -> None:
    def median_wait(crowd: int, count: int) -> float:
        world = World(costs, max_batch_size=8)
        for name in range(crowd):
            of("a", world, name, steps=20)
        for _ in range(7 if crowd else 0):
            world.step()
        began = world.now
        for name in range(100, 100 + count):
            of("b", world, name, steps=20)
        world.run()
        waits = sorted(at - began for name, at in world.ended.items() if name >= 100)
        return waits[count // 2]

    assert median_wait(32, 5) <= 2 * median_wait(0, 8)
