"""A collector of traces: OTLP over HTTP, decoded with the protocol's own messages."""

import gzip
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire; times in seconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    began: float
    ended: float
    is_error: bool
    attributes: dict[str, str | int | float]


@dataclass
class Collector:
    """All spans so far. `env` makes a process send here, within a fraction of a second.

    `received` is every byte of them, with what a `Span` leaves out: events, stack traces, links.
    """

    url: str
    spans: list[Span] = field(default_factory=list[Span])
    received: bytes = b""

    @property
    def env(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def of_trace(self, trace_id: str) -> list[Span]:
        found = [span for span in self.spans if span.trace_id == trace_id]
        return sorted(found, key=lambda span: (span.began, -span.ended))


@contextmanager
def collecting() -> Generator[Collector]:
    """A collector on loopback."""
    collector = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.received += body
            collector.spans += decode(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def decode(body: bytes) -> list[Span]:
    spans: list[Span] = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                values = {}
                for one in span.attributes:
                    kind = one.value.WhichOneof("value")
                    values[one.key] = getattr(one.value, kind) if kind else ""
                spans.append(
                    Span(
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        name=span.name,
                        service=about["service.name"],
                        began=span.start_time_unix_nano / 1e9,
                        ended=span.end_time_unix_nano / 1e9,
                        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
                        attributes=values,
                    )
                )
    return spans
