"""The form of an error answer: one a dialect, chosen by the path. Nothing else writes one."""

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse

from app.errors import Refusal, ServiceError

PROBLEM_TYPE = "application/problem+json"
MAX_INSTANCE = 256  # the path comes from the client, and so does its length
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

Envelope = Callable[[Refusal, str], JSONResponse]


def answer(path: str, error: ServiceError | Refusal) -> JSONResponse:
    """The refusal as the dialect of this path says it."""
    refusal = error if isinstance(error, Refusal) else error.refusal
    return envelope_of(path)(refusal, path)


def envelope_of(path: str) -> Envelope:
    """The form in which refusals on this path are written."""
    for prefix, envelope in ENVELOPES.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return envelope
    return native


def native(refusal: Refusal, path: str) -> JSONResponse:
    """Problem details (RFC 9457) with a `code`, and `errors` field by field."""
    return _json(refusal, _problem(refusal), media_type=PROBLEM_TYPE)


def replicate(refusal: Refusal, path: str) -> JSONResponse:
    """Problem details too, with the `instance` that Replicate's client keeps."""
    return _json(
        refusal, {**_problem(refusal), "instance": path[:MAX_INSTANCE]}, media_type=PROBLEM_TYPE
    )


def models(refusal: Refusal, path: str) -> JSONResponse:
    """The models are asked for in three dialects: a problem, and OpenAI's `error` in it."""
    body = {**_problem(refusal), "instance": path[:MAX_INSTANCE], "error": openai_error(refusal)}
    return _json(refusal, body, media_type=PROBLEM_TYPE)


def openai(refusal: Refusal, path: str) -> JSONResponse:
    """OpenAI's `error` object. A field that cannot be is a 400 there, not a 422."""
    status = 400 if refusal.code == "invalid_request" else refusal.status
    return _json(refusal, {"error": openai_error(refusal)}, status)


def a1111(refusal: Refusal, path: str) -> JSONResponse:
    """The four fields of AUTOMATIC1111; keys travel in Basic authentication there."""
    body = {
        "error": refusal.code,
        "detail": refusal.detail,
        "body": "",
        "errors": "; ".join(f"{one.field}: {one.message}" for one in refusal.errors),
    }
    found = _json(refusal, body)
    if refusal.status == 401:
        found.headers["WWW-Authenticate"] = 'Basic realm="darkroom"'
    return found


def huggingface(refusal: Refusal, path: str) -> JSONResponse:
    """A text under `error`, and in the header where the Hub's client looks first."""
    found = _json(refusal, {"error": refusal.detail})
    found.headers["X-Error-Message"] = refusal.detail.encode("ascii", "replace").decode()
    return found


ENVELOPES: dict[str, Envelope] = {
    "/v1/images/generations": openai,
    "/v1/images/edits": openai,
    "/v1/images/variations": openai,
    "/v1/models": models,
    "/v1/predictions": replicate,
    "/v1/deployments": replicate,
    "/v1/account": replicate,
    "/v1/hardware": replicate,
    "/v1/files": replicate,
    "/v1/webhooks": replicate,
    "/sdapi": a1111,
    "/hf": huggingface,
}


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """What stands under `error`; `param` is the first field that is wrong."""
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    return {
        "message": refusal.detail,
        "type": OPENAI_TYPES.get(refusal.status, kind),
        "param": refusal.errors[0].field if refusal.errors else None,
        "code": refusal.code,
    }


def _problem(refusal: Refusal) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:darkroom:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    if refusal.errors:
        body["errors"] = [one.model_dump() for one in refusal.errors]
    return body


def _json(
    refusal: Refusal,
    body: dict[str, Any],
    status: int | None = None,
    media_type: str = "application/json",
) -> JSONResponse:
    headers = dict(refusal.headers)
    return JSONResponse(body, status or refusal.status, headers, media_type=media_type)
