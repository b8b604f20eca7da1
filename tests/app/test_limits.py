"""The bound on bodies, as plain ASGI around an application that echoes."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.limits import BodyLimit


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message.get("body", b"")})
    await send({"type": "after", "message": await receive()})


def exchange(messages: list[Message], **headers: str) -> tuple[list[Message], int]:
    """What the limit of ten bytes sends, and how many messages it left unread."""
    sent: list[Message] = []
    left = [*messages, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "path": "/", "headers": raw}
    asyncio.run(BodyLimit(echo, max_bytes=10)(scope, receive, send))
    return sent, len(left) - 1


def chunk(body: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces_arrives_whole() -> None:
    sent, _ = exchange([chunk(b"12345"), chunk(b""), chunk(b"67890", more=False)])

    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"1234567890"
    assert sent[2]["message"] == {"type": "http.disconnect"}


def test_it_stops_reading_at_the_first_byte_too_many() -> None:
    sent, unread = exchange([chunk(b"12345"), chunk(b"678901"), chunk(b"2"), chunk(b"3")])

    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert unread == 2


@pytest.mark.parametrize(("length", "status"), [("10", 200), ("11", 413), ("9" * 40, 413)])
def test_an_announced_length_is_believed_before_anything_is_read(length: str, status: int) -> None:
    sent, unread = exchange([chunk(b"1", more=False)], content_length=length)

    assert sent[0]["status"] == status
    assert (unread == 1) == (status == 413)


def test_an_understated_length_does_not_help() -> None:
    sent, _ = exchange([chunk(b"12345678901", more=False)], content_length="5")

    assert sent[0]["status"] == 413


def test_a_client_that_hangs_up_is_told_to_the_application() -> None:
    sent: list[Message] = []

    async def hung_up() -> Message:
        return {"type": "http.disconnect"}

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        sent.append(await receive())

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(BodyLimit(note)({"type": "http", "headers": []}, hung_up, send))

    assert sent == [{"type": "http.disconnect"}]


def refused(messages: list[Message], **bounds: float) -> int:
    """The status that a limit of these bounds answers when a body never ends."""
    sent: list[Message] = []
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    limit = BodyLimit(echo, **bounds)  # type: ignore[arg-type]
    asyncio.run(limit({"type": "http", "path": "/", "headers": []}, receive, send))
    assert limit._held_bytes == 0
    return int(sent[0]["status"])


def test_a_body_that_takes_too_long_is_refused() -> None:
    assert refused([chunk(b"1")], timeout_s=0.05) == 408


def test_bodies_on_their_way_share_a_bound() -> None:
    assert refused([chunk(b"123"), chunk(b"456")], max_held_bytes=5) == 503
