"""Pictures end with their jobs: Redis forgets a record by itself, the image store must be told."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

from app.jobs import keys
from app.jobs.images import ImageStore, ImagesUnavailable

log = logging.getLogger(__name__)

FIRST_S, EVERY_S = 60.0, 3_600  # all processes together sweep once an hour


class Sweeper:
    """Deletes what no record speaks of any more."""

    def __init__(self, images: ImageStore, redis: Redis, ttl_s: int) -> None:
        """`ttl_s`: how long a job outlives its end, and so its youngest picture."""
        self._images = images
        self._redis = redis
        self._ttl_s = ttl_s

    @contextlib.asynccontextmanager
    async def sweeping(self) -> AsyncGenerator[None]:
        """Sweep now and then, for as long as the block lasts."""
        task = asyncio.create_task(self._sweep_for_ever())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _sweep_for_ever(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                if count := await asyncio.to_thread(self.sweep_in_turn):
                    log.info("images.expired count=%d", count)
            except (RedisError, ImagesUnavailable) as error:
                log.warning("images.not_swept: %s", error)
            await asyncio.sleep(EVERY_S)

    def sweep_in_turn(self) -> int:
        """`sweep`, unless some process has done so within the hour."""
        is_ours = self._redis.set(keys.SWEEP, "1", nx=True, ex=EVERY_S - 60)
        return self.sweep() if is_ours else 0

    def sweep(self) -> int:
        """Delete old pictures without a record, and old files that never became one; how many."""
        moment = datetime.now(UTC) - timedelta(seconds=self._ttl_s)
        count = self._images.delete_unfinished(moment)
        for found in self._images.older_than(moment):
            ids = [key.partition("/")[0] for key in found]
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id in ids:
                    pipe.exists(keys.record(job_id))
                forgotten = [not exists for exists in pipe.execute()]
            gone = [key for key, is_gone in zip(found, forgotten, strict=True) if is_gone]
            if gone:
                self._images.delete(gone)
            count += len(gone)
        return count
