"""One trace a job, through three processes and to the receiver's door."""

from pathlib import Path

import pytest

from tests.app.webhooks.receiver import OK, receiving
from tests.collector import Collector, Span, collecting
from tests.service import Service, Store, eventually

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HOOK = "webhook job.succeeded"
PARENTS = {  # every span, and the one above it
    "POST /v1/jobs": None, "queue": "POST /v1/jobs", "job": "POST /v1/jobs", "encode": "job",
    "denoise": "job", "decode": "job", "store": "job", HOOK: "POST /v1/jobs",
}  # fmt: skip
SERVICES = {"POST /v1/jobs": "darkroom-api", HOOK: "darkroom-webhooks"}


@pytest.mark.timeout(180)
def test_one_trace_from_the_post_to_the_webhook(
    store: Store, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector, receiving(OK) as receiver:
        for name, value in collector.env.items():
            monkeypatch.setenv(name, value)
        service = Service(store, checkpoint, tmp_path, webhook_allow="127.0.0.0/8")
        try:
            service.start_api()
            service.start_worker()
            service.start_webhooks()
            headers = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
            wish = {"prompt": "a most private wish", "num_images": 2, "num_inference_steps": 5}
            job = service.submit(headers, webhook={"url": receiver.url}, **wish)
            service.finished(job["id"], 120)
            eventually(
                lambda: {span.name for span in collector.of_trace(TRACE)} >= set(PARENTS), 60
            )
        finally:
            service.stop()
    spans = collector.of_trace(TRACE)

    by_name = {span.name: span for span in spans}
    assert set(by_name) == set(PARENTS)
    assert [span.name for span in spans].count("decode") == 2
    assert [span.name for span in spans].count("store") == 2
    for span in spans:
        above = PARENTS[span.name]
        assert span.parent_id == (by_name[above].span_id if above else CLIENT), span.name
        assert span.service == SERVICES.get(span.name, "darkroom-worker")
        assert not span.is_error
        assert span.ended >= span.began
    assert_in_order(by_name)
    assert by_name["job"].attributes["darkroom.job_id"] == job["id"]
    assert "private" not in repr(collector.spans)
    assert receiver.received[0].headers["traceparent"].split("-")[1] == TRACE


def names(collector: Collector) -> set[str]:
    return {span.name for span in collector.of_trace(TRACE)}


def assert_in_order(spans: dict[str, Span]) -> None:
    """Each part begins where its life has come to; the clocks are of one machine."""
    order = ["POST /v1/jobs", "queue", "encode", "denoise", "decode", "store", HOOK]
    began = [spans[name].began for name in order]
    assert began == sorted(began)
    own = spans["job"]
    for name in ("encode", "denoise", "decode", "store"):
        assert own.began <= spans[name].began + 0.01
        assert spans[name].ended <= own.ended + 0.01
