"""Headers that answers carry whichever route gave them: against misuse in a browser, and quotas."""

from collections.abc import Mapping
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULTS = {  # a route that answers with a page has a wider policy of its own
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_of_this_answer: ContextVar[dict[str, str] | None] = ContextVar("answer_headers", default=None)


def add(headers: Mapping[str, str]) -> None:
    """Have the answer to the present request carry these, be it a success or a refusal."""
    found = _of_this_answer.get()
    if found is not None:
        found.update(headers)


class AnswerHeaders:
    """The middleware that writes them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added: dict[str, str] = {}
        _of_this_answer.set(added)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in DEFAULTS.items():
                    headers.setdefault(name, value)
                headers.update(added)
            await send(message)

        await self._app(scope, receive, send_with_headers)
