"""One owner's flood and another's few jobs, through the real door and worker, counted in steps."""

import statistics
from pathlib import Path

import pytest
from redis import Redis

from tests.worker.test_dequeue import a_door, admit
from tests.worker.test_engine_worker import Bench
from worker.engine_thread import Admit

SLOTS, STEPS = 8, 20


def waits_of(bench: Bench, watched: set[str], running: dict[str, int]) -> list[int]:
    """Steps until each of the watched jobs has ended, all jobs moving on together."""
    waits, clock = dict[str, int](), 0
    while len(waits) < len(watched):
        bench.turn()
        for order in bench.orders():
            assert isinstance(order, Admit)
            running[order.job_id] = STEPS
        clock += 1
        for lease in list(running):
            running[lease] -= 1
            if running[lease] == 0:
                del running[lease]
                flight = bench.worker._flights[lease]
                bench.draw(lease)
                bench.until_ended(flight.job)
                waits[flight.job.id] = clock
        waits = {job_id: wait for job_id, wait in waits.items() if job_id in watched}
    return list(waits.values())


def few_of_b(bench: Bench, redis: Redis, count: int) -> set[str]:
    return {admit(redis, "b").id for _ in range(count)}


@pytest.mark.timeout(60)  # five hundred admissions and forty real endings
@pytest.mark.parametrize("into_the_batch", [0, 10])
def test_five_jobs_behind_five_hundred_wait_twice_a_full_batch_at_most(
    into_the_batch: int, redis: Redis, tmp_path: Path
) -> None:
    bench = Bench(redis, tmp_path / "images", SLOTS)
    idle = statistics.median(waits_of(bench, few_of_b(bench, redis, SLOTS), {}))
    door = a_door(redis)
    for _ in range(500):
        admit(redis, "a", door=door)
    bench.turn()
    running = {order.job_id: STEPS - into_the_batch for order in bench.orders()}  # type: ignore[union-attr]
    assert len(running) == SLOTS

    flooded = statistics.median(waits_of(bench, few_of_b(bench, redis, 5), running))

    assert idle == STEPS
    assert flooded <= 2 * idle
