"""One form of refusal for everything that can go wrong."""

import asyncio
import json

import httpx
from fastapi import FastAPI, HTTPException
from redis.exceptions import ConnectionError as RedisConnectionError

from app import handlers
from app.envelopes import answer
from app.errors import FieldError, Gone, InvalidRequest, QueueFull
from tests.app.front_end import assert_problem


def ask(error: Exception) -> httpx.Response:
    """The answer of an application whose only route raises the error."""
    app = FastAPI()
    handlers.install(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as http:
            return await http.get("/")

    return asyncio.run(get())


def test_a_refusal_knows_its_status_and_code() -> None:
    body = assert_problem(ask(Gone("It was erased.")), 410, "gone")

    assert body["detail"] == "It was erased."
    assert body["type"] == "urn:darkroom:problem:gone"


def test_a_refusal_for_a_while_says_for_how_long() -> None:
    answer = ask(QueueFull("40 jobs wait.", retry_after_s=7))

    assert_problem(answer, 503, "queue_full")
    assert answer.headers["retry-after"] == "7"


def test_wrong_fields_are_listed_and_summed_up() -> None:
    wrong = InvalidRequest(FieldError(field="a", message="b"), FieldError(field="c", message="d"))

    body = json.loads(bytes(answer("/v1/jobs", wrong).body))

    assert body["errors"] == [{"field": "a", "message": "b"}, {"field": "c", "message": "d"}]
    assert body["detail"] == "a: b; c: d"


def test_what_the_framework_refuses_is_a_problem_too() -> None:
    answer = ask(HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"}))

    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_absent_store_is_a_passing_state() -> None:
    answer = ask(RedisConnectionError("refused by 10.0.0.7"))

    assert_problem(answer, 503, "unavailable")
    assert "10.0.0.7" not in answer.text
    assert answer.headers["retry-after"] == "1"


def test_the_unexpected_is_a_problem_that_tells_no_secrets() -> None:
    answer = ask(RuntimeError("the password is hunter2"))

    assert_problem(answer, 500, "internal_error")
    assert "hunter2" not in answer.text
