"""What receivers are owed, counted. Knows the sorted sets of due deliveries and nothing else."""

import time
from dataclasses import dataclass
from typing import Self, cast

from redis import Redis

from app.jobs import keys

MAX_RECEIVERS = 10_000  # looked at in one go


@dataclass(frozen=True)
class Backlog:
    """Deliveries that are due or wait for a retry, their receivers, and how late the eldest is."""

    deliveries: int
    receivers: int
    late_s: float

    @classmethod
    def read(cls, redis: Redis) -> Self:
        """Raises RedisError while Redis is away."""
        found = redis.zrange(keys.WEBHOOKS_DUE, 0, MAX_RECEIVERS - 1, withscores=True)
        receivers = cast(list[tuple[bytes, float]], found)
        with redis.pipeline(transaction=False) as pipe:
            for receiver, _ in receivers:
                pipe.zcard(keys.due(receiver.decode()))
            deliveries = sum(cast(list[int], pipe.execute()))
        late_s = max(0.0, time.time() - receivers[0][1]) if receivers else 0.0
        return cls(deliveries, len(receivers), late_s)
