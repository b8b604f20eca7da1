"""The sender: claims what is due, posts it, writes down what came of it.

Any number of senders may run; what one leaves behind when it dies is due again when its claim runs
out. Each receiver gets a bounded part of this process, so none waits for another's silence.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis.exceptions import RedisError

from app import tracing
from app.links import UrlSigner
from app.webhooks.delivery import Attempt, DeliveryState
from app.webhooks.ledger import Claim, Ledger
from app.webhooks.post import TOTAL_TIMEOUT_S, Outcome, Poster
from app.webhooks.schedule import next_wait_s
from app.webhooks.signing import signed_headers

log = logging.getLogger(__name__)

POLL_S = 0.2
REDIS_WAIT_S = 0.5
LEASE_S = int(TOTAL_TIMEOUT_S) + 5
DRAIN_S = 5.0  # after SIGTERM; what is not through by then is sent again by the next sender
PER_RECEIVER = 4
AT_ONCE = 512  # of all receivers: far more silent ones than a service has
USER_AGENT = "darkroom-webhooks/1"


@dataclass
class Sender:
    """One sending process. `waits_s`: the schedule, `signing_keys`: the newest first."""

    ledger: Ledger
    poster: Poster
    signer: UrlSigner
    signing_keys: Sequence[bytes]
    waits_s: Sequence[float]
    lease_s: int = LEASE_S
    drain_s: float = DRAIN_S
    _busy: Counter[str] = field(default_factory=Counter[str])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _is_stopping: bool = False

    async def run(self) -> None:
        """Send until `stop()`; outlives every absence of Redis."""
        while not self._is_stopping:
            self._wake.clear()
            try:
                await self._begin_due()
                wait_s = POLL_S
            except RedisError as error:
                log.warning("webhooks.wait_for_redis: %s", error)
                wait_s = REDIS_WAIT_S
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                continue
        await self._drain()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    async def _begin_due(self) -> None:
        """Claim as much as the receivers' shares allow, and begin a try of each."""
        for receiver in await asyncio.to_thread(self.ledger.due_receivers):
            free = min(PER_RECEIVER - self._busy[receiver], AT_ONCE - len(self._tasks))
            if free <= 0 or self._is_stopping:
                continue
            claims = await asyncio.to_thread(self.ledger.claim, receiver, free, self.lease_s)
            for claim in claims:
                self._busy[receiver] += 1
                task = asyncio.create_task(self._try(claim))
                self._tasks.add(task)
                task.add_done_callback(lambda done, name=receiver: self._ended(done, name))

    def _ended(self, task: asyncio.Task[None], receiver: str) -> None:
        self._tasks.discard(task)
        self._busy[receiver] -= 1
        if not self._busy[receiver]:
            del self._busy[receiver]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("webhooks.try_broke", exc_info=error)

    async def _try(self, claim: Claim) -> None:
        delivery = claim.delivery
        began = time.time()
        body = await asyncio.to_thread(delivery.body, self.signer)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signed_headers(delivery.id, int(began), body, self.signing_keys),
        }
        if delivery.job.traceparent:
            headers[tracing.HEADER] = delivery.job.traceparent
        outcome = await self.poster.post(delivery.webhook.url, headers, body)
        state, wait_s = self._verdict(claim, outcome)
        log.info(
            "webhook.tried id=%s try=%d code=%s reason=%s state=%s seconds=%.3f",
            delivery.id,
            delivery.tries + 1,
            outcome.code,
            outcome.reason or "-",
            state,
            outcome.seconds,
        )
        tracing.tell(
            f"webhook {delivery.event}",
            delivery.job.traceparent,
            began,
            began + outcome.seconds,
            {"darkroom.job_id": delivery.job.id, "darkroom.try": delivery.tries + 1},
            kind="client",
            error="" if outcome.is_success else outcome.reason or f"status {outcome.code}",
        )
        attempt = Attempt(
            at=datetime.fromtimestamp(began, UTC),
            is_success=outcome.is_success,
            response_code=outcome.code,
            reason=outcome.reason,
            duration_s=round(outcome.seconds, 3),
        )
        await self._settle(claim, attempt, state, wait_s)

    def _verdict(self, claim: Claim, outcome: Outcome) -> tuple[DeliveryState, float | None]:
        if outcome.is_success:
            return DeliveryState.DELIVERED, None
        tries = claim.delivery.tries + 1
        wait_s = next_wait_s(self.waits_s, tries, outcome.retry_after_s)
        if outcome.is_final or wait_s is None:
            return DeliveryState.FAILED, None
        return DeliveryState.PENDING, wait_s

    async def _settle(
        self, claim: Claim, attempt: Attempt, state: DeliveryState, wait_s: float | None
    ) -> None:
        """Insist while Redis is away, as long as the claim may hold; then it is sent again."""
        give_up_at = time.monotonic() + self.lease_s
        while True:
            try:
                await asyncio.to_thread(self.ledger.settle, claim, attempt, state, wait_s)
            except RedisError as error:
                if time.monotonic() > give_up_at:
                    raise
                log.warning("webhook.settlement_waits id=%s: %s", claim.delivery.id, error)
                await asyncio.sleep(REDIS_WAIT_S)
            else:
                return

    async def _drain(self) -> None:
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self.drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
