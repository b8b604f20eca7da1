"""Two attempts at one job in the hands of one worker: only the one that holds the lease decides."""

import time
from pathlib import Path

import pytest
from redis import Redis

from app.jobs.job import Job, JobStatus
from tests.worker.in_hand import admitted
from tests.worker.test_engine_worker import WIP, Bench, lose
from worker.flight import Ending, Flight, Outcome


def taken_twice(bench: Bench, job: Job) -> tuple[str, str]:
    """Leases of both attempts; RQ lists the first one still.

    A heartbeat came between another worker's finding the lease run out and its putting the job
    back: the entry was prolonged, and so is not swept away.
    """
    first = bench.admission().job_id
    lose(bench)
    bench.redis.zadd(WIP, {f"{job.id}:{first}": time.time() + 15})
    bench.turn()
    (second,) = {flight.lease for flight in bench.worker._flights.values()} - {first}
    return first, second


@pytest.mark.parametrize("way", ["draws", "beats", "fails"])
def test_the_first_attempt_does_not_end_the_second(redis: Redis, tmp_path: Path, way: str) -> None:
    bench = Bench(redis, tmp_path / "images", slots=8)
    job = admitted(redis)
    first, second = taken_twice(bench, job)

    if way == "draws":
        bench.draw(first)
    elif way == "fails":
        bench.worker._flights[first].end(Outcome(Ending.FAILED))
    bench.worker._beat.hasten()
    bench.turn()
    bench.turn()
    assert redis.zrange(WIP, 0, -1) == [f"{job.id}:{second}".encode()]
    assert redis.hget(f"rq:job:{job.id}", "status") == b"started"
    bench.draw(second)

    assert bench.until_ended(job).status is JobStatus.SUCCEEDED
    assert not redis.exists(WIP)


def test_a_job_that_ended_while_it_was_taken_leaves_nothing_in_rq(
    redis: Redis, tmp_path: Path
) -> None:
    bench = Bench(redis, tmp_path / "images")
    job = admitted(redis)
    taken = bench.worker.take()
    assert taken is not None
    bench.store.cancel(job)
    bench.worker._begin(taken)
    flight = Flight(job, bench.worker.begin(taken))  # it was read before it was canceled
    bench.worker._flights[flight.lease] = flight
    bench.turn()
    bench.turn()

    assert not bench.worker._flights
    assert redis.ttl(f"rq:job:{job.id}") != -1


def test_progress_of_all_jobs_is_told_five_times_a_second_and_together(
    redis: Redis, tmp_path: Path
) -> None:
    bench = Bench(redis, tmp_path / "images", slots=8)
    jobs = [admitted(redis), admitted(redis)]
    bench.turn()
    flights, settlement = list(bench.worker._flights.values()), bench.worker._settlement

    def told(step: int, at: float) -> list[int]:
        for flight in flights:
            flight.next_step = step
        settlement.publish(at)
        return [found.step for job in jobs if (found := bench.store.get(job.id))]

    assert told(1, 1e9) == [1, 1]
    assert told(2, 1e9 + 0.1) == [1, 1]
    assert told(3, 1e9 + 0.21) == [3, 3]
    last = flights[0].next_step = jobs[0].total_steps
    settlement.publish(1e9 + 0.3)
    assert sorted(found.step for job in jobs if (found := bench.store.get(job.id))) == [3, last]
