"""Following jobs: every event of a stream once and in order, for any number of watchers.

One blocking XREAD an API process serves all of them; a private stream wakes it whenever the set
of watched jobs changes, since a blocked XREAD must never be cancelled.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.jobs import keys
from app.jobs.connection import STREAM_BLOCK_S
from app.jobs.job import JobEvent
from app.jobs.previews import read

log = logging.getLogger(__name__)

BEGINNING = "0-0"
RETRY_S = 0.3
WISH_EVERY_S = keys.PREVIEW_TTL_S / 3

Answer = TypeVar("Answer")
Entry = tuple[bytes, dict[bytes, bytes]]


def position(event_id: str) -> tuple[int, int]:
    """A stream id as the pair of integers that orders it."""
    milliseconds, _, sequence = event_id.partition("-")
    return int(milliseconds), int(sequence or 0)


class EventFeed:
    """The events of all watched jobs, within `reading()`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._wake = f"{keys.PREFIX}:wake:{uuid4().hex}"
        self._positions: dict[str, str] = {}
        self._watchers: dict[str, set[asyncio.Queue[JobEvent]]] = {}
        self._is_closing = False

    async def follow(
        self,
        job_id: str,
        after: str = BEGINNING,
        quiet_s: float = 60.0,
        *,
        previews: bool = False,
    ) -> AsyncGenerator[JobEvent | None]:
        """Every event after the id `after`, until a terminal one; None each `quiet_s` of silence.

        Watches first and reads the past second, so that no event falls between; what comes twice
        is dropped by its id. With `previews`, the worker draws some while this is iterated.
        """
        last = position(after)
        async with contextlib.AsyncExitStack() as stack:
            queue = await stack.enter_async_context(self._watching(job_id))
            if previews:
                await stack.enter_async_context(self._wishing(job_id, queue))
            for event in await self.past(job_id, after):
                last = position(event.id)
                yield event
                if event.is_terminal:
                    return
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), quiet_s)
                except TimeoutError:
                    yield None
                    continue
                if event.is_preview:
                    yield event
                    continue
                if position(event.id) <= last:
                    continue
                last = position(event.id)
                yield event
                if event.is_terminal:
                    return

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        """Keep the reader running. It ends by itself: a cancelled read may swallow that."""
        reader = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self._is_closing = True
            with contextlib.suppress(RedisError):
                await self._ring()
            await reader
            with contextlib.suppress(RedisError):
                await self._redis.delete(self._wake)
            await self._redis.aclose()

    async def _read(self) -> None:
        """Read all watched streams and hand their entries on; outlives every absence of Redis."""
        woken, block_ms = BEGINNING, round(STREAM_BLOCK_S * 1_000)
        while not self._is_closing:
            try:
                streams = {self._wake: woken, **self._positions}
                found = await self._redis.xread(cast(Any, streams), count=1_000, block=block_ms)
            except RedisError as error:
                log.warning("events.reader_waits: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            for key, entries in cast(list[tuple[bytes, list[Entry]]], found or []):
                name, latest = key.decode(), entries[-1][0].decode()
                if name == self._wake:
                    woken = latest
                elif name in self._positions:
                    self._positions[name] = latest
                    self._hand_on(name, entries)

    def _hand_on(self, name: str, entries: list[Entry]) -> None:
        events = [_event(entry) for entry in entries]
        for queue in self._watchers.get(name, ()):
            for event in events:
                queue.put_nowait(event)

    @contextlib.asynccontextmanager
    async def _watching(self, job_id: str) -> AsyncGenerator[asyncio.Queue[JobEvent]]:
        name, queue = keys.events(job_id), asyncio.Queue[JobEvent]()
        if name not in self._positions:
            newest = cast(list[Entry], await _insist(lambda: self._redis.xrevrange(name, count=1)))
            self._positions.setdefault(name, newest[0][0].decode() if newest else BEGINNING)
        self._watchers.setdefault(name, set()).add(queue)
        try:
            await _insist(self._ring)
            yield queue
        finally:
            self._leave(name, queue)

    def _leave(self, name: str, queue: asyncio.Queue[JobEvent]) -> None:
        self._watchers[name].discard(queue)
        if not self._watchers[name]:
            del self._watchers[name]
            self._positions.pop(name, None)

    @contextlib.asynccontextmanager
    async def _wishing(self, job_id: str, queue: asyncio.Queue[JobEvent]) -> AsyncGenerator[None]:
        """Have previews drawn and put into the queue; their stream holds a few, all of now."""
        name = keys.previews(job_id)
        self._positions.setdefault(name, BEGINNING)
        self._watchers.setdefault(name, set()).add(queue)
        wishing = asyncio.create_task(self._keep_wishing(job_id))
        try:
            await _insist(self._ring)
            yield
        finally:
            wishing.cancel()
            self._leave(name, queue)

    async def _keep_wishing(self, job_id: str) -> None:
        while True:
            await _insist(
                lambda: self._redis.set(keys.preview_wish(job_id), 1, ex=keys.PREVIEW_TTL_S)
            )
            await asyncio.sleep(WISH_EVERY_S)

    async def _ring(self) -> None:
        await self._redis.xadd(self._wake, {"watch": 1}, maxlen=1)
        await self._redis.expire(self._wake, 3_600)

    async def past(self, job_id: str, after: str = BEGINNING) -> list[JobEvent]:
        """The events so far that come after the id `after`; waits while Redis is away."""
        name, lower = keys.events(job_id), "-" if after == BEGINNING else f"({after}"
        found = cast(list[Entry], await _insist(lambda: self._redis.xrange(name, lower, "+")))
        return [_event(entry) for entry in found]


async def _insist(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What Redis answers as soon as it does."""
    while True:
        try:
            return await ask()
        except RedisError as error:
            log.warning("events.follower_waits: %s", error)
            await asyncio.sleep(RETRY_S)


def _event(entry: Entry) -> JobEvent:
    event_id, fields = entry
    if fields[b"type"] == b"preview":
        return JobEvent(id="", type="preview", data=read(fields))
    return JobEvent(
        id=event_id.decode(), type=fields[b"type"].decode(), data=json.loads(fields[b"data"])
    )
