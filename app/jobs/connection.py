"""How every process reaches Redis: short time-outs, a few quick retries, bytes in and out."""

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
RETRIES = 2  # a restart of Redis takes longer; waiting it out is the caller's decision, not ours


def connect(url: str) -> Redis:
    """A pooled client for threads. Nothing is sent before the first command."""
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES),
    )


def connect_async(url: str) -> AsyncRedis:
    """A client for the event loop; no answer time-out, since it blocks on streams."""
    return AsyncRedis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=AsyncRetry(ExponentialBackoff(cap=0.2, base=0.02), RETRIES),
    )
