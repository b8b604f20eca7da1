"""What can go wrong, as words that know their status; one renderer, RFC 9457 problem details.

Routes raise these; nothing else in the front end writes an error body.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
MAX_ERRORS, MAX_NAME = 32, 128  # what is wrong comes from the client, and so does its length
CODES = {
    400: "malformed_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    410: "gone",
    413: "too_large",
}


class FieldError(BaseModel, frozen=True):
    """One thing wrong with one field of a request."""

    field: str
    message: str


class ServiceError(Exception):
    """A refusal that the client is meant to read."""

    status_code: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "The service failed"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.errors: list[FieldError] = []


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


class InvalidRequest(ServiceError):
    """Fields with values that cannot be; names each of them."""

    status_code, code, title = 422, "invalid_request", "The request asks for what cannot be"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = list(errors)


class IdempotencyMismatch(ServiceError):
    status_code, code, title = 422, "idempotency_mismatch", "The key belongs to another request"


class QueueFull(ServiceError):
    status_code, code, title = 503, "queue_full", "The queue is full"


class Unavailable(ServiceError):
    status_code, code, title = 503, "unavailable", "The service cannot do this now"


def problem(error: ServiceError) -> JSONResponse:
    """A refusal of ours as an answer."""
    after = error.retry_after_s
    retry = {} if after is None else {"Retry-After": str(after)}
    return render(
        error.status_code,
        error.code,
        error.title,
        error.detail,
        errors=error.errors,
        headers={**error.headers, **retry},
    )


def render(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The one form of every error answer on native paths."""
    body: dict[str, Any] = {
        "type": f"urn:darkroom:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = [one.model_dump() for one in errors]
    return JSONResponse(body, status, headers, media_type=PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Have every exception of this application end as a problem."""

    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        found: list[dict[str, Any]] = list(error.errors())
        if any(one["type"] == "json_invalid" for one in found):
            return problem(MalformedRequest("The body is not valid JSON."))
        if any(one["type"] == "missing" and one["loc"] == ("body",) for one in found):
            return problem(MalformedRequest("There is no body; it must be a JSON object."))
        return problem(InvalidRequest(*(_field_error(one) for one in found[:MAX_ERRORS])))

    @app.exception_handler(HTTPException)
    async def refused_by_framework(request: Request, error: HTTPException) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        title, code = str(error.detail), CODES.get(error.status_code, "internal_error")
        return render(error.status_code, code, title, title, headers=error.headers)

    @app.exception_handler(RedisError)
    async def redis_away(request: Request, error: RedisError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        log.warning("redis.unavailable: %s", error)
        return problem(Unavailable("The job store cannot be reached.", retry_after_s=1))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return problem(ServiceError("An unexpected error. The log says more."))


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Pydantic's place and message; where the whole body is wrong the field is `body`."""
    place, message = [str(part) for part in error["loc"]], str(error["msg"])
    if place == ["body"]:
        message = "must be a JSON object, sent as application/json"
    return FieldError(field=(".".join(place[1:]) or place[0])[:MAX_NAME], message=message)
