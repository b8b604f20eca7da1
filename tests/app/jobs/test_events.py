"""Following: every event once and in order, whoever drops, joins late or takes the store away."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.dependencies import Services
from app.jobs.connection import STREAM_CONNECTIONS
from app.jobs.events import EventFeed, position
from app.jobs.job import JobEvent
from app.settings import Settings
from tests.app.front_end import HandWorker, make_job
from tests.service import Store

Body = Callable[[Services], Awaitable[None]]


@pytest.fixture
def run(settings: Settings) -> Callable[[Body], None]:
    """Run a body beside a feed's reader."""

    async def with_reader(body: Body) -> None:
        services = Services.connected(settings)
        async with services.feed.reading():
            await body(services)
        services.redis.close()

    return lambda body: asyncio.run(with_reader(body))


async def collect(feed: EventFeed, job_id: str, after: str = "0-0") -> list[JobEvent]:
    return [event async for event in feed.follow(job_id, after) if event]


def admit(services: Services) -> str:
    job = make_job()
    services.door.admit(job, None, ["default"])
    return job.id


def drive(services: Services, job_id: str, steps: int = 20) -> None:
    worker = HandWorker(services)
    lease = worker.take(job_id)
    for step in range(1, steps + 1):
        worker.step(job_id, lease, step)
    worker.store_image(job_id, lease)
    worker.succeed(job_id, lease)


def clients(services: Services) -> list[str]:
    """What each connection to the store did last."""
    found: Any = services.redis.client_list()
    return [client["cmd"] for client in found]


LIFE = ["queued", "processing", *["progress"] * 20, "image", "succeeded"]


def test_stream_ids_are_ordered_as_numbers() -> None:
    assert position("9-10") < position("10-2") < position("10-10")
    assert position("5") == (5, 0)


def test_a_follower_sees_every_event_once_and_in_order(run: Callable[[Body], None]) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        following = asyncio.create_task(collect(services.feed, job_id))
        await asyncio.to_thread(drive, services, job_id)

        events = await following

        assert [event.type for event in events] == LIFE
        ids = [position(event.id) for event in events]
        assert ids == sorted(set(ids))
        steps = [event.data["step"] for event in events if event.type == "progress"]
        assert steps == list(range(1, 21))

    run(body)


def test_followers_who_join_at_any_time_all_see_the_whole_story(
    run: Callable[[Body], None],
) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        driving = asyncio.create_task(asyncio.to_thread(drive, services, job_id, 20))
        following: list[asyncio.Task[list[JobEvent]]] = []
        while not driving.done():
            following.append(asyncio.create_task(collect(services.feed, job_id)))
            await asyncio.sleep(0.001)
        for story in await asyncio.gather(*following):
            assert [event.type for event in story] == LIFE

    run(body)


def test_a_follower_goes_on_after_the_event_it_names(run: Callable[[Body], None]) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        drive(services, job_id)
        events = await collect(services.feed, job_id)

        for place, event in enumerate(events[:-1]):
            assert await collect(services.feed, job_id, event.id) == events[place + 1 :]

    run(body)


def test_silence_is_reported_again_and_again(run: Callable[[Body], None]) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        async with contextlib.aclosing(services.feed.follow(job_id, quiet_s=0.05)) as events:
            seen = [await anext(events) for _ in range(4)]

        assert seen[0] is not None
        assert seen[1:] == [None, None, None]

    run(body)


def test_events_know_the_job_as_it_was(run: Callable[[Body], None]) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        drive(services, job_id)
        events = await collect(services.feed, job_id)
        statuses = [event.job.status for event in events if event.job]
        assert statuses == ["queued", "processing", "succeeded"]
        assert events[0].job
        assert events[0].job.started_at is None

    run(body)


def test_two_hundred_followers_share_one_reader_and_few_connections(
    run: Callable[[Body], None],
) -> None:
    async def body(services: Services) -> None:
        job_id = admit(services)
        await asyncio.sleep(0.3)
        before = clients(services)
        following = [asyncio.create_task(collect(services.feed, job_id)) for _ in range(200)]
        await asyncio.sleep(1)
        after = clients(services)
        assert after.count("xread") == before.count("xread")
        assert len(after) - len(before) <= STREAM_CONNECTIONS

        await asyncio.to_thread(drive, services, job_id)

        for story in await asyncio.gather(*following):
            assert [event.type for event in story] == LIFE

    run(body)


def test_a_feed_nobody_listens_to_any_more_forgets_the_job(run: Callable[[Body], None]) -> None:
    async def body(services: Services) -> None:
        first, second = admit(services), admit(services)
        task = asyncio.create_task(collect(services.feed, first))
        await asyncio.sleep(0.1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with contextlib.aclosing(services.feed.follow(second)) as events:
            assert await anext(events)
            assert len(services.feed._watchers) == 1
        assert services.feed._watchers == {}
        assert services.feed._positions == {}

    run(body)


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    own = Store(tmp_path / "valkey")
    yield own
    own.stop()


@pytest.mark.timeout(30)
def test_followers_outlive_an_absence_of_the_store(own_store: Store, tmp_path: Path) -> None:
    async def body() -> None:
        services = Services.connected(Settings(redis_url=own_store.url, data_dir=tmp_path))
        async with services.feed.reading():
            job_id = admit(services)
            early = asyncio.create_task(collect(services.feed, job_id))
            await asyncio.sleep(1.2)  # the log is on disk within a second
            own_store.kill()
            late = asyncio.create_task(collect(services.feed, job_id))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_store.start)
            await asyncio.to_thread(drive, services, job_id)

            for story in await asyncio.gather(early, late):
                assert [event.type for event in story] == LIFE
        services.redis.close()

    asyncio.run(body())
