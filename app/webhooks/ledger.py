"""Deliveries in Redis: read, claimed, settled, owed once more. The job's own script makes them.

Time is the store's own in every script, so that senders on several hosts agree.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from typing import cast

from redis import Redis
from redis.commands.core import Script

from app.jobs import keys
from app.jobs.job import Job
from app.jobs.tally import Tally
from app.jobs.webhook import WebhookEvent, delivery_id
from app.webhooks.delivery import Attempt, Delivery, DeliveryState

log = logging.getLogger(__name__)

MAX_ATTEMPTS_KEPT = 50
MAX_RECEIVERS = 10_000  # looked at in one go


@dataclass(frozen=True)
class Claim:
    """The right to try a delivery, until it runs out; `token` proves it."""

    delivery: Delivery
    token: str


class Ledger:
    """All deliveries of one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._claim = _script(redis, "claim")
        self._settle = _script(redis, "settle")
        self._again = _script(redis, "again")
        self._tally = Tally(redis)

    def get(self, wanted: str) -> Delivery | None:
        return self._get_many([wanted])[0]

    def of_job(self, job: Job) -> list[Delivery]:
        """What the job's receiver was or is to be told, the oldest first."""
        found = self._get_many([delivery_id(job.id, event) for event in WebhookEvent])
        return sorted((one for one in found if one), key=lambda one: one.created_at)

    def due_receivers(self) -> list[str]:
        """Receivers for whom something is due, the longest waiting first."""
        seconds, microseconds = self._redis.time()
        now = f"{seconds}.{microseconds:06d}"
        found = self._redis.zrangebyscore(keys.WEBHOOKS_DUE, "-inf", now, 0, MAX_RECEIVERS)
        return [receiver.decode() for receiver in cast(list[bytes], found)]

    def claim(self, receiver: str, limit: int, lease_s: int) -> list[Claim]:
        """At most `limit` of what is due for the receiver, for nobody else for `lease_s`."""
        answer = self._claim(
            keys=[keys.WEBHOOKS_DUE, keys.due(receiver)], args=[receiver, limit, lease_s]
        )
        parts = [part.decode() for part in cast(list[bytes], answer)]
        ids, tokens = parts[::2], parts[1::2]
        claims: list[Claim] = []
        for one, token, delivery in zip(ids, tokens, self._get_many(ids), strict=True):
            if delivery:
                claims.append(Claim(delivery, token))
            else:  # erased with its job, expired because nobody sent for days, or unreadable
                self._redis.zrem(keys.due(receiver), one)
        return claims

    def settle(
        self, claim: Claim, attempt: Attempt, state: DeliveryState, wait_s: float | None
    ) -> None:
        """Note a try and what is to come: the next one after `wait_s`, or none."""
        delivery, receiver = claim.delivery, claim.delivery.webhook.receiver
        self._settle(
            keys=[
                keys.delivery(delivery.id),
                keys.due(receiver),
                keys.WEBHOOKS_DUE,
                keys.record(delivery.job.id),
            ],
            args=[
                delivery.id,
                receiver,
                claim.token,
                attempt.model_dump_json(),
                state.value,
                "" if wait_s is None else f"{wait_s:.6f}",
                delivery.webhook.keep_s + ceil(wait_s or 0),
                MAX_ATTEMPTS_KEPT,
            ],
        )
        self._tally.tried(state.value, attempt.response_code)

    def send_again(self, delivery: Delivery) -> bool:
        """Owe it once more; False if it has been erased meanwhile."""
        webhook = delivery.webhook
        return bool(
            self._again(
                keys=[keys.delivery(delivery.id), keys.due(webhook.receiver), keys.WEBHOOKS_DUE],
                args=[delivery.id, webhook.receiver, webhook.keep_s],
            )
        )

    def _get_many(self, ids: Sequence[str]) -> list[Delivery | None]:
        with self._redis.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.hgetall(keys.delivery(one))
            found = cast(list[dict[bytes, bytes]], pipe.execute())
        return [_read(one, fields) for one, fields in zip(ids, found, strict=True)]


def _read(wanted: str, fields: dict[bytes, bytes]) -> Delivery | None:
    if not fields:
        return None
    try:
        return Delivery.from_record(
            wanted, {key.decode(): value.decode() for key, value in fields.items()}
        )
    except (KeyError, ValueError):  # another version's; it must not stop all others
        log.exception("delivery.unreadable id=%s", wanted)
        return None


def _script(redis: Redis, name: str) -> Script:
    return redis.register_script(files("app.webhooks").joinpath(f"{name}.lua").read_text())
