"""This process's own requests, as plain ASGI around everything else."""

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class RequestMetrics:
    """Seconds until an answer's first byte, by method, route and status.

    Not until its last: a stream of events lives as long as its job. The route is the template, and
    one word for all paths that are none of ours, so that nobody can make up labels.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            "darkroom_http_request_seconds",
            "Seconds until an answer began.",
            ["method", "route", "status"],
            buckets=BOUNDS_S,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if route != "other" else "other"
                labels = method, route, str(message["status"])
                self._seconds.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_observed)
