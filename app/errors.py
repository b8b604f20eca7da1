"""What can go wrong, as words that know their status. `app.envelopes` writes them down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel


class FieldError(BaseModel, frozen=True):
    """One thing wrong with one field of a request."""

    field: str
    message: str


@dataclass(frozen=True)
class Refusal:
    """What an error answer says, before a dialect has put it into its own form."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ServiceError(Exception):
    """A refusal that the client is meant to read."""

    status_code: int = 500
    code: str = "internal_error"
    title: str = "The service failed"
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.errors: list[FieldError] = []

    @property
    def refusal(self) -> Refusal:
        after = self.retry_after_s
        retry = {} if after is None else {"Retry-After": str(after)}
        headers = {**self.headers, **retry}
        return Refusal(self.status_code, self.code, self.title, self.detail, self.errors, headers)


class MalformedRequest(ServiceError):
    status_code, code, title = 400, "malformed_request", "The request cannot be read"


class Unauthorized(ServiceError):
    status_code, code, title = 401, "unauthorized", "The service does not know you"
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012 - nobody changes it


class NotFound(ServiceError):
    status_code, code, title = 404, "not_found", "There is no such thing"


class Gone(ServiceError):
    status_code, code, title = 410, "gone", "It is no longer there"


class TooLarge(ServiceError):
    status_code, code, title = 413, "too_large", "The request is too large"


class TooSlow(ServiceError):
    status_code, code, title = 408, "too_slow", "The request took too long to come"


class HeadTooLarge(ServiceError):
    status_code, code, title = 431, "head_too_large", "The request's head is too large"


class InvalidRequest(ServiceError):
    """Fields with values that cannot be; names each of them."""

    status_code, code, title = 422, "invalid_request", "The request asks for what cannot be"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = list(errors)


class IdempotencyMismatch(ServiceError):
    status_code, code, title = 422, "idempotency_mismatch", "The key belongs to another request"


class RateLimited(ServiceError):
    status_code, code, title = 429, "rate_limited", "Too much at once"


class QueueFull(ServiceError):
    status_code, code, title = 503, "queue_full", "The queue is full"


class Unavailable(ServiceError):
    status_code, code, title = 503, "unavailable", "The service cannot do this now"


class NotSupported(ServiceError):
    status_code, code, title = 400, "not_supported", "The service does not do this"


class NoPicture(ServiceError):
    """A job was made and gave no picture: trying again would make another job, so do not."""

    title = "The job gave no picture"

    def __init__(self, job_id: str, status_code: int, code: str, detail: str) -> None:
        super().__init__(f"Job {job_id}: {detail}")
        self.status_code, self.code = status_code, code
        self.headers = {"X-Job-Id": job_id, "X-Should-Retry": "false"}
