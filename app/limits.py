"""A bound on request bodies that is kept before anything is parsed, as plain ASGI."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge, problem

MAX_BODY_BYTES = 1 << 20


class BodyLimit:
    """Answers 413 to a body over the bound: by its announced length, else as soon as it is over."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced(scope) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        try:
            await self._app(scope, self._counted(receive), send)
        except TooLarge:
            await self._refuse(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise TooLarge("too many bytes")
            return message

        return counting

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(TooLarge(f"A body may have at most {self._max_bytes} bytes."))
        answer.headers["Connection"] = "close"  # what is left of the body is never read
        await answer(scope, receive, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
