"""`GET /metrics` says what really happened, to whom it may, and no prompt."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.jobs import keys
from app.jobs.job import FailureCode
from app.jobs.tally import Tally
from app.main import create_app
from app.settings import Settings
from tests.app.front_end import WORKER, FrontEnd
from tests.service import Store

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"darkroom_{name}", frozenset(labels.items())]


def scraped(front_end: FrontEnd) -> Samples:
    answer = front_end.http.get("/metrics")
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"].startswith("text/plain")
    return scrape(answer.text)


def test_queue_and_jobs_are_as_they_are(front_end: FrontEnd) -> None:
    drawn = front_end.submit_and_draw(num_images=3)
    taken = front_end.submit()["id"]
    front_end.worker.take(taken)
    front_end.submit(priority="high")
    front_end.submit()
    canceled = front_end.submit()["id"]
    front_end.http.post(f"/v1/jobs/{canceled}/cancel")
    time.sleep(0.05)

    samples = scraped(front_end)

    assert value(samples, "queue_depth", model="default", priority="normal") == 1
    assert value(samples, "queue_depth", model="default", priority="high") == 1
    assert 0.05 <= value(samples, "queue_oldest_seconds", model="default") < 60
    ended = {"model": "default", "code": ""}
    assert value(samples, "jobs_ended_total", status="succeeded", **ended) == 1
    assert value(samples, "jobs_ended_total", status="canceled", **ended) == 1
    assert value(samples, "images_total", model="default") == 3
    total_s = front_end.get(drawn)["metrics"]["total_s"]
    summed = value(samples, "job_total_seconds_sum", model="default")
    assert summed == pytest.approx(total_s, abs=1e-6)
    assert value(samples, "job_total_seconds_count", model="default") == 1
    assert value(samples, "job_total_seconds_bucket", model="default", le="+Inf") == 1


def test_workers_tell_what_they_did(front_end: FrontEnd) -> None:
    busy = WORKER.model_copy(
        update={"slots_used": 3, "forward_passes": 10, "rows": 40, "denoising_steps": 25,
                "images": 2, "memory_bytes": 1 << 30}
    )  # fmt: skip
    front_end.services.catalogue.beat(busy)

    samples = scraped(front_end)

    labels = {"worker": "by-hand", "device": "cpu", "model": "default,other"}
    expected = {
        "ready": 1, "slots": 8, "slots_used": 3, "memory_bytes": 1 << 30, "rows_total": 40,
        "forward_passes_total": 10, "denoising_steps_total": 25, "images_total": 2,
    }  # fmt: skip
    assert {name: value(samples, f"worker_{name}", **labels) for name in expected} == expected


def test_the_webhook_backlog_is_what_receivers_are_owed(front_end: FrontEnd) -> None:
    for _ in range(3):
        front_end.submit_and_draw(webhook={"url": "https://one.example.org/hook"})
    front_end.submit_and_draw(webhook={"url": "https://other.example.org/hook"})

    samples = scraped(front_end)

    assert value(samples, "webhook_backlog") == 4
    assert value(samples, "webhook_receivers") == 2
    assert value(samples, "webhook_overdue_seconds") > 0


def test_requests_are_timed_by_route_and_strangers_make_no_labels(front_end: FrontEnd) -> None:
    job_id = front_end.submit(prompt="a most private wish")["id"]
    front_end.get(job_id)
    front_end.http.get("/no/such/path/at/all")
    front_end.http.request("BREW", "/coffee")
    text = front_end.http.get("/metrics").text

    samples = scrape(text)

    shown = {"method": "GET", "route": "/v1/jobs/{job_id}", "status": "200"}
    assert value(samples, "http_request_seconds_count", **shown) >= 1
    posted = {"method": "POST", "route": "/v1/jobs", "status": "202"}
    assert value(samples, "http_request_seconds_count", **posted) >= 1
    for told in ("private", job_id, "such", "BREW", "coffee"):
        assert told not in text


def test_a_scrape_while_the_store_is_away_still_answers(tmp_path: Path) -> None:
    settings = Settings(redis_url=f"unix://{tmp_path}/none.sock", data_dir=tmp_path)
    application = create_app(settings)
    with TestClient(application, client=("127.0.0.1", 1)) as client:
        samples = scrape(client.get("/metrics").text)

    assert value(samples, "redis_up") == 0


@pytest.mark.parametrize(
    ("peer", "is_open", "sent", "status"),
    [
        ("127.0.0.1", False, None, 200),
        ("::1", False, None, 200),
        ("10.0.0.9", False, None, 401),
        ("10.0.0.9", False, "Bearer " + "s" * 20, 200),
        ("10.0.0.9", True, None, 200),
    ],
)
def test_only_this_machine_needs_no_key(
    peer: str, is_open: bool, sent: str | None, status: int, store: Store, tmp_path: Path
) -> None:
    settings = Settings(
        redis_url=store.url, data_dir=tmp_path, metrics_open=is_open,
        api_keys=SecretStr("me:" + "s" * 20),
    )  # fmt: skip
    headers = {"Authorization": sent} if sent else {}
    with TestClient(create_app(settings), client=(peer, 1)) as client:
        assert client.get("/metrics", headers=headers).status_code == status


def test_counts_outlive_the_records(front_end: FrontEnd) -> None:
    job_id = front_end.submit_and_draw()
    front_end.http.delete(f"/v1/jobs/{job_id}")

    assert value(scraped(front_end), "images_total", model="default") == 1
    assert front_end.services.redis.ttl(keys.TALLY) == -1


def test_dashboard_and_rules_ask_for_what_is_told(front_end: FrontEnd) -> None:
    front_end.submit_and_draw(webhook={"url": "https://one.example.org/hook"})
    front_end.services.store.failed(front_end.submit()["id"], "", FailureCode.WORKER_LOST, "")
    Tally(front_end.services.redis).tried("delivered", 200)
    told = {name for name, _ in scraped(front_end)}
    docker = Path(__file__).parents[3] / "docker"
    panels = json.loads((docker / "grafana/dashboards/darkroom.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queries.append((docker / "prometheus/rules.yml").read_text())

    asked = {name for query in queries for name in re.findall(r"\bdarkroom_[a-z_]+", query)}

    assert len(asked) > 15
    assert asked <= told
