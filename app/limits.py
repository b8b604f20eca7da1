"""Bounds on request bodies that are kept before anything is parsed, as plain ASGI."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.envelopes import answer
from app.errors import ServiceError, TooLarge, TooSlow, Unavailable

MAX_BODY_BYTES = 1 << 20
MAX_PICTURE_BYTES = 16 << 20  # 2048 x 2048 pixels of noise as PNG, and some
LARGER = {"/v1/images/inspect": MAX_PICTURE_BYTES, "/sdapi/v1/png-info": MAX_PICTURE_BYTES}
MAX_HELD_BYTES = 64 << 20  # of all bodies that have begun and not ended
BODY_TIMEOUT_S = 30.0


class BodyLimit:
    """Answers 413 to a body over the bound: by its announced length, else as soon as it is over.

    A body that takes too long is a 408, and one that comes while too much of others' is held a 503.
    Reads the body itself before the application runs: a refusal raised from within `receive`
    would be taken for an unreadable body, or come after the answer has begun.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int = MAX_BODY_BYTES,
        max_held_bytes: int = MAX_HELD_BYTES,
        timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_held_bytes = max_held_bytes
        self._timeout_s = timeout_s
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = LARGER.get(scope.get("path", ""), self._max_bytes)
        try:
            if _announced(scope) > limit:
                raise _too_large(limit)
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(receive, limit)
        except ServiceError as error:
            await _refuse(error, scope, receive, send)
        except TimeoutError:
            slow = TooSlow(f"The body did not come within {self._timeout_s:.0f} s.")
            await _refuse(slow, scope, receive, send)
        else:
            await self._app(scope, _handing_out(body, receive), send)

    async def _read(self, receive: Receive, limit: int) -> Message:
        """The whole body as one message.

        Raises:
            TooLarge: As soon as it is over the bound.
            Unavailable: It may be small enough, but others take all the room there is.
        """
        parts, size = list[bytes](), 0
        try:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return message  # the client hung up
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._held_bytes += len(parts[-1])
                if size > limit:
                    raise _too_large(limit)
                if not message.get("more_body", False):
                    return {"type": "http.request", "body": b"".join(parts), "more_body": False}
                if self._held_bytes > self._max_held_bytes:
                    raise Unavailable("Too many bodies are on their way.", retry_after_s=1)
        finally:
            self._held_bytes -= size


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"A body may have at most {limit} bytes.")


async def _refuse(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    refusal = answer(scope["path"], error)
    refusal.headers["Connection"] = "close"  # what is left of the body is never read
    await refusal(scope, receive, send)


def _handing_out(body: Message, receive: Receive) -> Receive:
    """A channel that gives the body first and then whatever else the client does."""
    pending = [body]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
