"""Whose turn it is: `dequeue.lua` on a real Valkey, a job at a time."""

from collections import Counter
from datetime import timedelta

from redis import Redis

from app.jobs.admission import Door
from app.jobs.job import Job
from app.jobs.queues import FUNCTION, PATIENCE_S, JobQueues
from app.jobs.spec import Priority
from app.jobs.store import JobStore
from tests.worker.in_hand import MODEL, a_bookkeeper, a_job
from worker.rq_bookkeeping import RqBookkeeping


def admit(
    redis: Redis, owner: str, age_s: float = 0.0, door: Door | None = None, **wish: object
) -> Job:
    job = a_job(**wish)
    created_at = job.created_at - timedelta(seconds=age_s)
    job = job.model_copy(update={"owner": owner, "created_at": created_at})
    (door or a_door(redis)).admit(job, None, [MODEL, "other"])
    return job


def a_door(redis: Redis) -> Door:
    return Door(redis, JobQueues(redis), max_queue=10_000)


def drain(bookkeeper: RqBookkeeping) -> list[str]:
    return [taken.job_id for taken in iter(bookkeeper.take, None)]


def owners(redis: Redis, ids: list[str]) -> str:
    store = JobStore(redis, JobQueues(redis), 600)
    return "".join(job.owner for job in store.get_many(ids) if job)


def test_a_newcomer_takes_turns_with_a_flood(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    for _ in range(20):
        admit(redis, "a")
    early = [bookkeeper.take() for _ in range(4)]
    for _ in range(4):
        admit(redis, "b")

    order = owners(redis, drain(bookkeeper))

    assert None not in early
    assert order[:8] in ("babababa", "bbababab")
    assert order[8:] == "a" * 12


def test_shares_are_counted_in_work_not_in_jobs(redis: Redis) -> None:
    for _ in range(20):
        admit(redis, "a", num_inference_steps=40)
        admit(redis, "b", num_inference_steps=10)

    first = Counter(owners(redis, drain(a_bookkeeper(redis))[:20]))

    assert first == {"a": 4, "b": 16}


def test_having_been_away_saves_up_no_claim(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    admit(redis, "b")
    for _ in range(30):
        admit(redis, "a")
    for _ in range(21):
        assert bookkeeper.take()
    for _ in range(5):
        admit(redis, "b")

    order = owners(redis, drain(bookkeeper))

    assert Counter(order[:10]) == {"a": 5, "b": 5}


def test_an_owner_of_long_standing_is_not_ahead_of_a_newcomer_either(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    for _ in range(10):
        admit(redis, "a")
        assert bookkeeper.take()
    for owner in "ab" * 5:
        admit(redis, owner)

    assert Counter(owners(redis, drain(bookkeeper))[:6]) == {"a": 3, "b": 3}


def test_priority_orders_an_owners_jobs_and_nobody_elses(redis: Redis) -> None:
    low = admit(redis, "a", priority="low")
    high = admit(redis, "a", priority="high")
    other = admit(redis, "b", priority="low")

    order = drain(a_bookkeeper(redis))

    assert order.index(other.id) < 2
    assert order.index(high.id) < order.index(low.id)


def test_a_low_job_that_has_waited_long_enough_is_not_overtaken(redis: Redis) -> None:
    low = admit(redis, "a", age_s=PATIENCE_S[Priority.LOW] + 1, priority="low")
    high = admit(redis, "a", priority="high")

    assert drain(a_bookkeeper(redis)) == [low.id, high.id]


def test_a_job_that_came_back_is_first_and_is_charged_once(redis: Redis) -> None:
    bookkeeper = a_bookkeeper(redis)
    ids = [admit(redis, "a").id for _ in range(3)]
    taken = bookkeeper.take()
    assert taken is not None
    bookkeeper.put_back(taken)
    admit(redis, "b")

    order = drain(bookkeeper)

    assert order[0] == ids[0]
    assert owners(redis, order) == "abaa"


def test_models_take_turns(redis: Redis) -> None:
    bookkeeper = RqBookkeeping("two-models", [MODEL, "other"], redis, 15, 5.0)
    for _ in range(6):
        admit(redis, "a")
    for _ in range(2):
        admit(redis, "b", model="other")

    assert sorted(owners(redis, drain(bookkeeper))[:4]) == ["a", "a", "b", "b"]


def test_positions_are_the_order_in_which_jobs_are_taken(redis: Redis) -> None:
    queues, bookkeeper = JobQueues(redis), a_bookkeeper(redis)
    jobs = [admit(redis, "a", priority=p) for p in ("low", "normal", "high", "normal")]
    assert bookkeeper.take()
    jobs += [admit(redis, owner) for owner in "bbcab"]
    told = {job.id: queues.position(job) for job in jobs}

    order = drain(bookkeeper)

    assert [told[job_id] for job_id in order] == list(range(len(order)))


def test_a_withdrawn_job_leaves_its_line(redis: Redis) -> None:
    queues = JobQueues(redis)
    stays, leaves = admit(redis, "a"), admit(redis, "a")
    queues.withdraw(leaves)

    assert drain(a_bookkeeper(redis)) == [stays.id]


def test_what_others_emptied_or_pushed_with_rqs_tools_is_no_obstacle(redis: Redis) -> None:
    bookkeeper, queues = a_bookkeeper(redis), JobQueues(redis)
    emptied, job = admit(redis, "a", priority="high"), admit(redis, "a")
    queues.queue(f"high:{MODEL}").empty()
    low = queues.queue(f"low:{MODEL}")
    low.enqueue_job(low.create_job(FUNCTION, job_id="0" * 32))

    order = drain(bookkeeper)

    assert emptied.id not in order
    assert job.id in order
    assert len(order) == 2
    assert not redis.exists(f"rq:queue:high:{MODEL}")
