"""Every exception ends as a refusal, in the form of the dialect whose path it happened on."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.envelopes import answer
from app.errors import (
    FieldError,
    InvalidRequest,
    MalformedRequest,
    Refusal,
    ServiceError,
    Unavailable,
)
from app.jobs.images import ImagesUnavailable

log = logging.getLogger(__name__)

MAX_ERRORS, MAX_NAME = 32, 128  # what is wrong comes from the client, and so does its length
CODES = {
    400: "malformed_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    410: "gone",
    413: "too_large",
    429: "rate_limited",
}


def install(app: FastAPI) -> None:
    """Have every exception of this application end as a refusal."""

    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return answer(request.url.path, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return answer(request.url.path, _of_validation(list(error.errors())))

    @app.exception_handler(HTTPException)
    async def refused_by_framework(request: Request, error: HTTPException) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        title, code = str(error.detail), CODES.get(error.status_code, "internal_error")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods_of(app, request.url.path)))
        refusal = Refusal(error.status_code, code, title, title, headers=headers)
        return answer(request.url.path, refusal)

    @app.exception_handler(RedisError)
    async def redis_away(request: Request, error: RedisError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        log.warning("redis.unavailable: %s", error)
        away = Unavailable("The job store cannot be reached.", retry_after_s=1)
        return answer(request.url.path, away)

    @app.exception_handler(ImagesUnavailable)
    async def images_away(request: Request, error: ImagesUnavailable) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        log.warning("images.unavailable: %s", error)
        away = Unavailable("The image store cannot be reached.", retry_after_s=5)
        return answer(request.url.path, away)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        found = answer(request.url.path, ServiceError("An unexpected error. The log says more."))
        if request_id := request.scope.get("state", {}).get("request_id"):
            found.headers["X-Request-Id"] = request_id  # this answer passes no middleware
        return found


def field_errors(found: list[dict[str, Any]]) -> list[FieldError]:
    """What pydantic found wrong, as ours; so much of it as is worth sending."""
    return [_field_error(one) for one in found[:MAX_ERRORS]]


def _methods_of(app: FastAPI, path: str) -> set[str]:
    """What may be asked of a path; the framework itself names one route's methods only."""
    found = set[str]()
    for route in iter_route_contexts(app.routes):
        if route.methods and compile_path(route.path or "")[0].match(path):
            found |= route.methods
    return found


def _of_validation(found: list[dict[str, Any]]) -> ServiceError:
    if any(one["type"] == "json_invalid" for one in found):
        return MalformedRequest("The body is not valid JSON.")
    if any(one["type"] == "missing" and one["loc"] == ("body",) for one in found):
        return MalformedRequest("There is no body; it must be a JSON object.")
    return InvalidRequest(*field_errors(found))


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Pydantic's place and message; where the whole body is wrong the field is `body`."""
    place, message = [str(part) for part in error["loc"]], str(error["msg"])
    if place == ["body"]:
        message = "must be a JSON object, sent as application/json"
    return FieldError(field=(".".join(place[1:]) or place[0])[:MAX_NAME], message=message)
