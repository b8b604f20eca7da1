"""`/openapi.json` as it really is: every status that can be answered, in its path's own form.

Routes say what they answer when all goes well and which refusals are theirs alone; what any of them
may be refused with (keys, sizes, a store that is away) is said here, once.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app import envelopes
from app.dependencies import owner
from app.errors import FieldError

REFERENCE = "#/components/schemas/{model}"
LATER = {
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
}
LATER_STATUSES = (429, 503)
UNUSED = ("HTTPValidationError", "ValidationError")  # FastAPI's own form, which we never send


class Problem(BaseModel):
    """Problem details (RFC 9457); `errors` names each field that cannot be."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    instance: str = ""


class OpenAIErrorBody(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """As OpenAI's clients read it."""

    error: OpenAIErrorBody


class A1111Error(BaseModel):
    """As clients of AUTOMATIC1111 read it."""

    error: str
    detail: str
    body: str
    errors: str


class HubError(BaseModel):
    """As the Hub's client reads it."""

    error: str


FORMS: dict[envelopes.Envelope, type[BaseModel]] = {
    envelopes.native: Problem,
    envelopes.replicate: Problem,
    envelopes.models: Problem,
    envelopes.openai: OpenAIError,
    envelopes.a1111: A1111Error,
    envelopes.huggingface: HubError,
}


def install(app: FastAPI, *, has_keys: bool) -> None:
    """Have the application describe itself in full. `has_keys`: callers must say who they are."""
    bare = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = bare()
            for route, method, operation in _operations(app, schema):
                _describe(route, method, operation, has_keys)
            _add_components(schema, has_keys)
        return app.openapi_schema or {}

    app.openapi = described


def _operations(
    app: FastAPI, schema: dict[str, Any]
) -> Iterator[tuple[RouteContext, str, dict[str, Any]]]:
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield route, method, schema["paths"][route.path_format][method.lower()]


def _describe(route: RouteContext, method: str, operation: dict[str, Any], has_keys: bool) -> None:
    answers: dict[str, Any] = operation["responses"]
    path = route.path_format or ""
    envelope = envelopes.envelope_of(path)
    statuses = {int(status) for status in answers if status.isdigit() and int(status) >= 400}
    statuses |= {413, 500, 503}
    if is_private := _asks_for_owner(route.dependant):
        statuses |= {429}
        operation["security"] = [{"key": []}] if has_keys else []
    if is_private and has_keys:
        statuses |= {401}
    if "{" in path:
        statuses |= {404}
    if method not in ("GET", "DELETE"):
        statuses |= {400}
    if envelope is envelopes.openai:
        statuses = {400 if status == 422 else status for status in statuses}
        answers.pop("422", None)
    for status in sorted(statuses):
        answers[str(status)] = _refusal(status, envelope)


def _refusal(status: int, envelope: envelopes.Envelope) -> dict[str, Any]:
    form = FORMS[envelope]
    is_problem = form is Problem
    media_type = envelopes.PROBLEM_TYPE if is_problem else "application/json"
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {media_type: {"schema": {"$ref": REFERENCE.format(model=form.__name__)}}},
    }
    if status in LATER_STATUSES:
        answer["headers"] = LATER
    return answer


def _asks_for_owner(dependant: Dependant) -> bool:
    return dependant.call is owner or any(map(_asks_for_owner, dependant.dependencies))


def _add_components(schema: dict[str, Any], has_keys: bool) -> None:
    components: dict[str, Any] = schema.setdefault("components", {})
    models = [(model, "serialization") for model in (*dict.fromkeys(FORMS.values()), FieldError)]
    _, forms = models_json_schema(models, ref_template=REFERENCE)  # pyright: ignore[reportArgumentType]
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    schemas.update(forms["$defs"])
    for name in UNUSED:
        schemas.pop(name, None)
    if has_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
