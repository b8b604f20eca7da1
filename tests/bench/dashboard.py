"""The dashboard with real data: `python -m tests.bench.dashboard [--prometheus PATH]`.

Runs the service with the built-in model under a mixed load, a real Prometheus that scrapes it by
our rules, asks it every query of the Grafana dashboard and draws the answers as `dashboard.png`.
Grafana itself is not needed; its panels' queries and titles are.
"""

import argparse
import itertools
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from models.source import BUILT_IN
from tests.app.webhooks.receiver import OK, Receiver, receiving
from tests.service import Service, Store, eventually, free_port

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "docker" / "grafana" / "dashboards" / "darkroom.json"
RULES = ROOT / "docker" / "prometheus" / "rules.yml"
RATE = "20s"
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 5s}}
rule_files: [{rules}]
scrape_configs: [{{job_name: darkroom, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""

Series = tuple[str, list[float], list[float]]


def main() -> None:
    """Load the service, ask Prometheus, say what each query answered, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", default="prometheus", help="the server's binary")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    panels = json.loads(BOARD.read_text())["panels"]
    with tempfile.TemporaryDirectory() as folder, receiving(OK) as receiver:
        answers = watched(Path(folder), chosen.prometheus, chosen.seconds, receiver, panels)
    for panel, series in zip(panels, answers, strict=True):
        print(f"{panel['title']:28} {len(panel['targets'])} queries, {len(series)} series")
    draw(panels, answers, chosen.output / "dashboard.png")


def watched(
    folder: Path, binary: str, seconds: float, receiver: Receiver, panels: list[dict[str, Any]]
) -> list[list[Series]]:
    store = Store(folder / "valkey")
    service = Service(store, BUILT_IN, folder, webhook_allow="127.0.0.0/8", max_queue="64")
    try:
        service.start_api()
        url, prometheus = start_prometheus(folder, binary, service.port)
        try:
            service.start_worker()
            service.start_webhooks()
            began = time.time()
            load(service, receiver, seconds)
            time.sleep(6)
            check_rules(url)
            return [
                [found for target in panel["targets"] for found in ask(url, target, began)]
                for panel in panels
            ]
        finally:
            prometheus.terminate()
            prometheus.wait()
    finally:
        service.stop()
        store.stop()


def start_prometheus(folder: Path, binary: str, port: int) -> tuple[str, subprocess.Popen[bytes]]:
    config, own = folder / "prometheus.yml", free_port()
    config.write_text(CONFIG.format(rules=RULES, port=port))
    command = [binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn"]  # fmt: skip
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{own}"
    eventually(lambda: _is_ready(url), 60)
    return url, process


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").is_success
    except httpx.TransportError:
        return False


def load(service: Service, receiver: Receiver, seconds: float) -> None:
    """Waves of jobs: some urgent, some canceled, some with no time to be drawn in."""
    choose, end = random.Random(7), time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > end:
            return
        wish: dict[str, Any] = {
            "num_inference_steps": choose.choice((4, 8, 12)),
            "num_images": choose.choice((1, 1, 2)),
            "priority": choose.choice(("normal", "normal", "high")),
        }
        if number % 3 == 0:
            wish["webhook"] = {"url": receiver.url}
        if number % 11 == 10:
            wish |= {"deadline_s": 1, "num_inference_steps": 150}
        answer = service.http.post("/v1/jobs", json={"prompt": "a red heart", **wish})
        if answer.is_success and number % 7 == 6:
            service.http.post(f"/v1/jobs/{answer.json()['id']}/cancel")
        in_wave = (time.monotonic() // 15) % 2 == 0
        time.sleep(choose.uniform(0.2, 0.6) if in_wave else choose.uniform(1.5, 3.0))


def check_rules(url: str) -> None:
    groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    unwell = [rule["name"] for rule in rules if rule["health"] != "ok"]
    assert not unwell, unwell
    print(f"{len(rules)} rules, all evaluated without an error")


def ask(url: str, target: dict[str, str], began: float) -> list[Series]:
    """One query over the whole run; an error of Prometheus is ours."""
    query = {
        "query": target["expr"].replace("$__rate_interval", RATE),
        "start": began, "end": time.time(), "step": 1,
    }  # fmt: skip
    answer = httpx.get(f"{url}/api/v1/query_range", params=query).json()
    assert answer["status"] == "success", (target["expr"], answer)
    series: list[Series] = []
    for one in answer["data"]["result"]:
        label = target["legendFormat"]
        for name in ("model", "priority", "worker", "device", "status", "code", "state", "route"):
            label = label.replace("{{" + name + "}}", one["metric"].get(name, ""))
        times = [float(at) - began for at, _ in one["values"]]
        series.append((label.strip(), times, [float(value) for _, value in one["values"]]))
    assert series, target["expr"]
    return series


def draw(panels: list[dict[str, Any]], answers: list[list[Series]], path: Path) -> None:
    """The panels in the dashboard's own order, two a row."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    rows = (len(panels) + 1) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(14, 2.9 * rows), layout="constrained")
    for axes, panel, series in zip(grid.flat, panels, answers, strict=False):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        divisor = 2**20 if unit == "bytes" else 1
        for label, times, values in series:
            axes.plot(times, [value / divisor for value in values], label=label, linewidth=1.6)
        shown = {"s": " (s)", "bytes": " (MiB)", "percentunit": " (of 1)"}.get(unit, "")
        axes.set_title(panel["title"] + shown, loc="left", fontsize=11)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7, frameon=False, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    figure.suptitle("Darkroom: the dashboard's queries, answered by Prometheus", fontsize=13)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
