"""One trace a job, from POST to the webhook: OpenTelemetry, where somebody listens.

A job's record carries the W3C `traceparent`; whoever knows when a part of its life began and ended
says so afterwards. Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is imported and nothing measured.
"""

import logging
import os
from contextvars import ContextVar
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CURRENT: ContextVar[str] = ContextVar("traceparent", default="")  # of the request being answered
HEADER = "traceparent"
NANO = 1_000_000_000
LEAVE_S = 2.0

Attributes = dict[str, str | int | float | bool]


class Tracer:
    """The SDK behind a few calls: times in seconds since 1970, parents as `traceparent`."""

    def __init__(self, part: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        name = os.environ.get("OTEL_SERVICE_NAME", f"darkroom-{part}")
        about = Resource.create({"service.name": name})
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("darkroom")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, name: str, parent: str, began: float, kind: str = "internal") -> Any:
        """A span that has begun; `traceparent_of` it, then `end` it."""
        from opentelemetry.trace import SpanKind

        context = self._propagator.extract({HEADER: parent}) if parent else None
        return self._tracer.start_span(
            name, context, SpanKind[kind.upper()], start_time=round(began * NANO)
        )

    def traceparent_of(self, span: Any) -> str:
        from opentelemetry.trace import set_span_in_context

        carrier = dict[str, str]()
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier.get(HEADER, "")

    def end(self, span: Any, ended: float, attributes: Attributes, error: str = "") -> None:
        from opentelemetry.trace import Status, StatusCode

        span.set_attributes(attributes)
        if error:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(round(ended * NANO))

    def close(self) -> None:
        """Send what is left; a collector that is away may keep nobody from leaving."""
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(LEAVE_S)


_tracers: list[Tracer] = []  # none, or this process's one


def configure(part: str) -> None:
    """Trace from now on, if the environment names a collector."""
    if not any(os.environ.get(name) for name in ENDPOINTS) or _tracers:
        return
    try:
        _tracers.append(Tracer(part))
    except ModuleNotFoundError as error:
        log.warning("tracing.off: %s; install darkroom[tracing]", error)


def tracer() -> Tracer | None:
    return _tracers[0] if _tracers else None


def tell(
    name: str,
    parent: str,
    began: float,
    ended: float,
    attributes: Attributes | None = None,
    *,
    error: str = "",
    kind: str = "internal",
) -> str:
    """A part of a life that is over; its `traceparent`, for parts within it."""
    found = tracer()
    if found is None or not parent:
        return ""
    span = found.begin(name, parent, began, kind)
    found.end(span, ended, attributes or {}, error)
    return found.traceparent_of(span)


def close() -> None:
    """Send what is still to be sent. Waits `LEAVE_S` at most."""
    while _tracers:
        _tracers.pop().close()
