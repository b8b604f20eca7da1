"""A delivery: one message owed to one receiver, and every try at it. No I/O."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel

from app.jobs.job import Dialect, Job
from app.jobs.webhook import Webhook, WebhookEvent
from app.links import Links, UrlSigner
from app.predictions import prediction
from app.schemas import JobView


class DeliveryState(StrEnum):
    """Pending until a try succeeds or none is left; failed ones can be sent again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Attempt(BaseModel, frozen=True):
    """One try: when it began, how long it took, and what the receiver said."""

    number: int = 0
    at: datetime
    is_success: bool
    response_code: int | None
    reason: str
    duration_s: float


class Delivery(BaseModel, frozen=True, hide_input_in_errors=True):
    """What the store knows of one message.

    Attributes:
        job: The job as it was when the event happened.
        tries: Since the schedule last began; a redelivery begins it anew.
        attempts: The latest tries of all, oldest first.
        next_at: When the next try is due; None if there will be none.
    """

    id: str
    event: WebhookEvent
    created_at: datetime
    state: DeliveryState
    job: Job
    tries: int = 0
    attempts: list[Attempt] = []
    next_at: datetime | None = None

    @property
    def webhook(self) -> Webhook:
        if self.job.webhook is None:
            raise ValueError(f"delivery {self.id} belongs to a job without a webhook")
        return self.job.webhook

    @classmethod
    def from_record(cls, delivery_id: str, fields: Mapping[str, str]) -> Self:
        """Read the hash that the job's script made and the senders add to."""
        numbered = {
            int(name.partition(":")[2]): Attempt.model_validate_json(value)
            for name, value in fields.items()
            if name.startswith("attempt:")
        }
        return cls(
            id=delivery_id,
            event=WebhookEvent(fields["event"]),
            created_at=_time(fields["created_at"]),
            state=DeliveryState(fields["state"]),
            job=Job.from_record(json.loads(fields["record"])),
            tries=int(fields.get("tries", 0)),
            attempts=[numbered[n].model_copy(update={"number": n}) for n in sorted(numbered)],
            next_at=_time(fields["next_at"]) if "next_at" in fields else None,
        )

    def body(self, signer: UrlSigner) -> bytes:
        """The message, in the words that the job was asked for in.

        Its URLs are made now, so that those of a late try still work.
        """
        links = Links(self.webhook.base_url, signer)
        if self.job.dialect is Dialect.REPLICATE:
            message = prediction(self.job, links)
        else:
            message = {
                "type": self.event.value,
                "timestamp": self.created_at.isoformat().replace("+00:00", "Z"),
                "data": JobView.of(self.job, links).model_dump(mode="json"),
            }
        return json.dumps(message, separators=(",", ":")).encode()


def _time(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
