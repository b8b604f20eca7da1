"""One job's trace: `python -m tests.bench.trace [--output docs]`.

Runs the service with the built-in model, an OTLP collector and a receiver of webhooks on loopback,
draws one job of two pictures, and writes `trace.json`, every span named, and `trace.png`.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.source import BUILT_IN
from tests.app.webhooks.receiver import OK, receiving
from tests.collector import Collector, Span, collecting
from tests.service import Service, Store, eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
HOOK = "webhook job.succeeded"
COLOURS = {"darkroom-api": "#3b6ea5", "darkroom-worker": "#b4552d", "darkroom-webhooks": "#5b8c5a"}


def main() -> None:
    """Draw one job, write what the collector received."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    output = parser.parse_args().output
    with collecting() as collector:
        spans = one_job(collector)
    began = spans[0].began
    told = [in_seconds_since(began, span) for span in spans]
    (output / "trace.json").write_text(json.dumps(told, indent=1) + "\n")
    draw(spans, output / "trace.png")
    for one in told:
        length_s = one["ended"] - one["began"]
        print(f"{one['began']:9.3f} s {length_s:9.3f} s  {one['service']:18} {one['name']}")


def in_seconds_since(began: float, span: Span) -> dict[str, Any]:
    times = {"began": round(span.began - began, 6), "ended": round(span.ended - began, 6)}
    return {**asdict(span), **times}


def one_job(collector: Collector) -> list[Span]:
    """The spans of a job after a first one, which is slower."""
    os.environ.update(collector.env)
    with tempfile.TemporaryDirectory() as folder, receiving(OK) as receiver:
        store = Store(Path(folder) / "valkey")
        service = Service(store, BUILT_IN, Path(folder), webhook_allow="127.0.0.0/8")
        try:
            service.start_api()
            service.start_worker()
            service.start_webhooks()
            service.finished(service.submit()["id"], 300)
            job = service.submit(
                {"traceparent": PARENT}, num_images=2, webhook={"url": receiver.url}
            )
            service.finished(job["id"], 300)
            eventually(lambda: HOOK in {span.name for span in collector.of_trace(TRACE)}, 60)
        finally:
            service.stop()
            store.stop()
    return collector.of_trace(TRACE)


def draw(spans: list[Span], path: Path) -> None:
    """The spans as bars over time."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    began = spans[0].began
    figure, axes = plt.subplots(figsize=(10, 0.42 * len(spans) + 1), layout="constrained")
    for row, span in enumerate(spans):
        length = span.ended - span.began
        axes.barh(row, max(length, 0.001), left=span.began - began, color=COLOURS[span.service])
        label = f" {span.name}  {length * 1e3:.0f} ms"
        axes.text(span.ended - began, row, label, va="center", fontsize=9)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xlim(0, (max(span.ended for span in spans) - began) * 1.25)
    axes.set_xlabel("seconds since the request")
    axes.legend(
        handles=[plt.Rectangle((0, 0), 1, 1, color=colour, label=name)
                 for name, colour in COLOURS.items()],
        frameon=False, loc="lower left",
    )  # fmt: skip
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
