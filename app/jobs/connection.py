"""How every process reaches Redis: short time-outs, a few quick retries, bytes in and out."""

from typing import Any

from redis import Redis
from redis.asyncio import BlockingConnectionPool as AsyncPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
RETRIES = 2  # a restart of Redis takes longer; waiting it out is the caller's decision, not ours
STREAM_BLOCK_S = 1.0
STREAM_CONNECTIONS = 16


def connect(url: str, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Redis:
    """A pooled client for threads. Nothing is sent before the first command.

    A broken connection is tried again; an answer that does not come in time is an error at once.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=answer_timeout_s,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES, (ConnectionError,)),
    )


def connect_async(url: str) -> AsyncRedis:
    """A client for the event loop, which may block on streams for `STREAM_BLOCK_S`."""
    pool = AsyncPool.from_url(
        url,
        max_connections=STREAM_CONNECTIONS,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=STREAM_BLOCK_S + CONNECT_TIMEOUT_S,
        retry=AsyncRetry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES, (ConnectionError,)),
    )
    pool.connection_class = type("Told", (_TellsOfLoss, pool.connection_class), {})
    return AsyncRedis.from_pool(pool)


class _TellsOfLoss(AbstractConnection):
    """A lost connection is a ConnectionError, also on uvloop, which calls it a RuntimeError."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise ConnectionError(str(error)) from error
