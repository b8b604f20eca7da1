"""What became of a job's webhooks: every try, what is to come, and once more on request."""

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel

from app import intake
from app.dependencies import Owner, Service
from app.errors import NotFound
from app.jobs.job import Job
from app.jobs.webhook import WebhookEvent
from app.webhooks.delivery import Delivery, DeliveryState
from app.webhooks.ledger import Ledger

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class AttemptView(BaseModel):
    """One try; `response_code` is null if the receiver did not answer, `error` if it took it."""

    number: int
    at: datetime
    status: Literal["succeeded", "failed"]
    response_code: int | None
    error: str | None
    duration_s: float


class DeliveryView(BaseModel):
    """A message and its tries; its id is the `webhook-id` that the receiver sees."""

    id: str
    object: Literal["delivery"] = "delivery"
    type: WebhookEvent
    url: str
    status: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[AttemptView]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        attempts = [
            AttemptView(
                number=attempt.number,
                at=attempt.at,
                status="succeeded" if attempt.is_success else "failed",
                response_code=attempt.response_code,
                error=None if attempt.is_success else attempt.reason or "refused by the receiver",
                duration_s=attempt.duration_s,
            )
            for attempt in delivery.attempts
        ]
        return cls(
            id=delivery.id,
            type=delivery.event,
            url=delivery.webhook.url,
            status=delivery.state,
            created_at=delivery.created_at,
            next_attempt_at=delivery.next_at,
            attempts=attempts,
        )


class DeliveryPage(BaseModel):
    data: list[DeliveryView]


@router.get("/{job_id}/deliveries")
def deliveries(job_id: str, services: Service, owner: Owner) -> DeliveryPage:
    """The job's webhook messages, oldest first; `failed` ones get no further try by themselves."""
    job = intake.find_job(services, job_id, owner)
    return DeliveryPage(data=[DeliveryView.of(one) for one in Ledger(services.redis).of_job(job)])


@router.post("/{job_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def redeliver(job_id: str, delivery_id: str, services: Service, owner: Owner) -> DeliveryView:
    """Send a message once more, at once, whatever became of it; the same id, the whole schedule."""
    ledger = Ledger(services.redis)
    job = intake.find_job(services, job_id, owner)
    delivery = _find(ledger, job, delivery_id)
    if not ledger.send_again(delivery):
        raise NotFound(f"There is no delivery {delivery_id[:64]!r}.")
    return DeliveryView.of(_find(ledger, job, delivery_id))


def _find(ledger: Ledger, job: Job, delivery_id: str) -> Delivery:
    for delivery in ledger.of_job(job):
        if delivery.id == delivery_id:
            return delivery
    raise NotFound(f"There is no delivery {delivery_id[:64]!r} of this job.")
