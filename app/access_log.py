"""One line for every answer, in the form of all other logs; off unless asked for."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("access")


class AccessLog:
    """Says method, path, status, seconds and request id. No query: signatures stand there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, statuses = time.perf_counter(), list[int]()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            log.info(
                "request.answered method=%s path=%r status=%d seconds=%.4f request_id=%s",
                scope["method"],
                scope["path"][:256],
                statuses[0] if statuses else 0,
                time.perf_counter() - began,
                scope.get("state", {}).get("request_id", "-"),
            )
