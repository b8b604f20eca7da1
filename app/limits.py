"""A bound on request bodies that is kept before anything is parsed, as plain ASGI."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.envelopes import answer
from app.errors import TooLarge

MAX_BODY_BYTES = 1 << 20
MAX_PICTURE_BYTES = 16 << 20  # 2048 x 2048 pixels of noise as PNG, and some
LARGER = {"/v1/images/inspect": MAX_PICTURE_BYTES}


class BodyLimit:
    """Answers 413 to a body over the bound: by its announced length, else as soon as it is over.

    Reads the body itself before the application runs: a refusal raised from within `receive`
    would be taken for an unreadable body, or come after the answer has begun.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = LARGER.get(scope.get("path", ""), self._max_bytes)
        body = None if _announced(scope) > limit else await self._read(receive, limit)
        if body is None:
            await self._refuse(scope, receive, send, limit)
            return
        await self._app(scope, _handing_out(body, receive), send)

    async def _read(self, receive: Receive, limit: int) -> Message | None:
        """The whole body as one message, or None as soon as it is over the bound."""
        parts, size = list[bytes](), 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message  # the client hung up
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                return None
            if not message.get("more_body", False):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        too_large = TooLarge(f"A body may have at most {limit} bytes.")
        refusal = answer(scope["path"], too_large)
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
