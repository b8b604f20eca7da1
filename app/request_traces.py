"""A span for every request, as plain ASGI; what is submitted meanwhile becomes a child of it."""

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import tracing

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestTraces:
    """Goes on with the trace of a client's `traceparent`, or begins one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tracer = tracing.tracer()
        if tracer is None or scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(tracing.HEADER, "")
        span = tracer.begin("HTTP", given, time.time(), "server")
        token = tracing.CURRENT.set(tracer.traceparent_of(span))
        statuses = list[int]()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            tracing.CURRENT.reset(token)
            status = statuses[0] if statuses else 0
            route = getattr(scope.get("route"), "path", "other")
            span.update_name(f"{scope['method']} {route}")
            tracer.end(
                span,
                time.time(),
                {"http.request.method": scope["method"], "http.route": route,
                 "http.response.status_code": status},
                error="" if 0 < status < 500 else f"status {status}",
            )  # fmt: skip
