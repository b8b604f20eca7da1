"""Where a client wants to hear of its job: the wish as the record keeps it. No I/O, no HTTP."""

from enum import StrEnum

from pydantic import BaseModel
from pydantic_core import Url


class WebhookEvent(StrEnum):
    """What a receiver may be told, once a job each."""

    PROCESSING = "job.processing"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"

    @property
    def status(self) -> str:
        """The job's status that it tells of."""
        return self.value.partition(".")[2]


ENDINGS = (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED)


class Webhook(BaseModel, frozen=True):
    """A client's wish, and what whoever fulfils it must know without asking the API.

    Attributes:
        base_url: Prefix of the URLs in the messages: the one that the job was submitted to.
        receiver: Host and port, which share the bound on concurrent sending.
        keep_s: Seconds that a delivery is kept at least, the retries' time included.
    """

    url: str
    events: list[WebhookEvent]
    base_url: str
    receiver: str
    keep_s: int


def receiver_of(url: str) -> str:
    """Host and port of an http or https URL, every spelling of a host brought to one.

    Raises:
        ValueError: The text is no such URL, or holds a name or password.
    """
    try:
        parsed = Url(url)
    except ValueError as error:  # pydantic's own has many lines
        raise ValueError("must be an http or https URL") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("must be an http or https URL")
    if parsed.username is not None or parsed.password is not None:
        raise ValueError("must not contain a name or password")
    return f"{parsed.host}:{parsed.port}"


def delivery_id(job_id: str, event: WebhookEvent) -> str:
    """Derived from the job: one message an event, however often its transition is tried."""
    return f"{job_id}-{event.status}"
