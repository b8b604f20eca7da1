"""Spans that a real collector receives, and nothing at all where nobody listens."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import tracing
from app.settings import Settings
from tests.app.front_end import FrontEnd, serving
from tests.collector import Collector, collecting
from tests.service import Store, eventually

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = PARENT.split("-")[1]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that this process sends to."""
    with collecting() as collector:
        for name, value in collector.env.items():
            monkeypatch.setenv(name, value)
        tracing.configure("test")
        yield collector
        tracing.close()


@pytest.fixture
def traced(collector: Collector, store: Store, tmp_path: Path) -> Iterator[FrontEnd]:
    with serving(Settings(redis_url=store.url, data_dir=tmp_path)) as front_end:
        front_end.announce()
        yield front_end


def test_a_span_told_afterwards_has_the_times_and_the_parent_it_was_told(
    collector: Collector,
) -> None:
    began = time.time() - 5
    own = tracing.tell("outer", PARENT, began, began + 3, {"size": 7})
    tracing.tell("inner", own, began + 1, began + 2, error="it broke")
    tracing.close()

    outer, inner = collector.of_trace(TRACE)
    assert (outer.name, outer.parent_id, outer.attributes) == (
        "outer",
        PARENT.split("-")[2],
        {"size": 7},
    )
    assert (outer.began, outer.ended) == pytest.approx((began, began + 3), abs=1e-3)
    assert (inner.name, inner.parent_id, inner.is_error) == ("inner", outer.span_id, True)
    assert outer.service == "darkroom-test"
    assert own.split("-")[2] == outer.span_id


def test_a_request_goes_on_with_the_clients_trace_and_the_job_with_the_requests(
    traced: FrontEnd, collector: Collector
) -> None:
    answer = traced.post(headers={"traceparent": PARENT}, prompt="a most private wish")
    job = traced.services.store.get(answer.json()["id"])
    eventually(lambda: collector.of_trace(TRACE))

    (span,) = collector.of_trace(TRACE)
    assert (span.name, span.parent_id) == ("POST /v1/jobs", PARENT.split("-")[2])
    assert span.attributes["http.response.status_code"] == 202
    assert job is not None
    assert job.traceparent == f"00-{TRACE}-{span.span_id}-01"
    assert "traceparent" not in answer.text
    assert "private" not in repr(collector.spans)


@pytest.mark.parametrize("given", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_without_a_trace_of_the_clients_a_new_one_begins(
    given: str, traced: FrontEnd, collector: Collector
) -> None:
    job_id = traced.post(headers={"traceparent": given}).json()["id"]
    job = traced.services.store.get(job_id)

    assert job is not None
    trace_id = job.traceparent.split("-")[1]
    eventually(lambda: collector.of_trace(trace_id))
    assert collector.of_trace(trace_id)[0].parent_id == ""


def test_a_collector_that_does_not_answer_holds_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv(tracing.ENDPOINTS[0], f"http://127.0.0.1:{deaf.getsockname()[1]}")
        tracer = tracing.Tracer("api")
        tracer.end(tracer.begin("last", "", time.time()), time.time(), {})
        began = time.monotonic()

        tracer.close()

        assert time.monotonic() - began < tracing.LEAVE_S + 1


def test_where_nobody_listens_nothing_is_imported_or_written(front_end: FrontEnd) -> None:
    job_id = front_end.post(headers={"traceparent": PARENT}).json()["id"]
    job = front_end.services.store.get(job_id)
    look = "import sys, app.main; print('opentelemetry.exporter' in sys.modules)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    said = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, env=env
    )

    assert job is not None
    assert job.traceparent == ""
    assert tracing.tell("nothing", PARENT, 0, 1) == ""
    assert said.stdout.strip() == "False"
