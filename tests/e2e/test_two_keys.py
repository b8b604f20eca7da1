"""Two keys, every endpoint crossed: nothing of one is shown to, or changed by, the other.

The endpoints come from the application itself, so that a new one is crossed too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.main import create_app
from app.settings import Settings
from tests.app.webhooks.receiver import receiving
from tests.service import Json, Service, Store, eventually

pytestmark = pytest.mark.timeout(120)

ANNA, BERT = "anna-anna-anna-anna", "bert-bert-bert-bert"
WORD = "zinnobergruen"
SHARED = {  # parameters of paths that are nobody's own
    **dict.fromkeys(("model", "model_id", "name", "version"), "default"),
    **dict.fromkeys(("owner", "model_owner"), "darkroom"),
}
OPEN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics")  # nobody is asked for


def endpoints() -> list[tuple[str, str]]:
    """Method and path of each route that the application has."""
    app = create_app(Settings(redis_url="redis://nowhere"))
    routes = iter_route_contexts(app.routes)
    found = {(m, r.path_format or "") for r in routes for m in r.methods or () if m != "HEAD"}
    return sorted(found)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Service]:
    store = Store(tmp_path_factory.mktemp("keys-valkey"))
    service = Service(
        store,
        checkpoint,
        tmp_path_factory.mktemp("keys"),
        api_keys=f"anna:{ANNA},bert:{BERT}",
        webhook_allow="127.0.0.0/8",
    )
    service.http.headers["Authorization"] = f"Bearer {ANNA}"
    service.start_api()
    service.start_webhooks()
    yield service
    service.stop()
    store.stop()


@pytest.fixture(scope="module")
def hers(house: Service) -> dict[str, Any]:
    """What Anna has: a picture that was told of, and a job that waits."""
    worker = house.start_worker()
    with receiving() as receiver:
        wish = {"num_inference_steps": 2, "metadata": {"of": WORD}}
        hook = {"url": f"{receiver.url}&word={WORD}"}
        done = house.submit({"Idempotency-Key": WORD}, prompt=WORD, webhook=hook, **wish)["id"]
        job = house.finished(done)
        log = eventually(lambda: delivered(house, done))
    worker.stop()
    waiting = house.submit(prompt=WORD)["id"]
    return {"done": job, "waiting": waiting, "delivery": log[0]["id"]}


def delivered(house: Service, job_id: str) -> list[Json]:
    log: list[Json] = house.http.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
    return log if log and log[0]["status"] == "delivered" else []


def ask(house: Service, method: str, path: str, key: str | None, body: Any = None) -> str:
    """Status, headers and text of the answer; nothing if the call waits for a picture to come."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.request(method, house.url + path, headers=headers, json=body, timeout=3)
    except httpx.ReadTimeout:
        return ""
    return f"{answer.status_code} {dict(answer.headers)} {answer.text}"


def filled(path: str, job_id: str, hers: dict[str, Any]) -> str:
    """The path with Anna's things in it; parameters of an unknown name get the job's id."""
    key = httpx.URL(hers["done"]["images"][0]["url"]).path.removeprefix("/images/")
    known = {"delivery_id": hers["delivery"], "key": key, **SHARED}
    parts = [part for part in path.split("/") if part.startswith("{")]
    for part in parts:
        name = part.strip("{}").partition(":")[0]
        path = path.replace(part, known.get(name, job_id))
    return path


def is_of_somebody(path: str) -> bool:
    names = [part.strip("{}").partition(":")[0] for part in path.split("/") if "{" in part]
    return any(name not in SHARED for name in names)


@pytest.mark.parametrize(("method", "path"), endpoints())
def test_another_key_gets_nothing(
    house: Service, hers: dict[str, Any], method: str, path: str
) -> None:
    for job_id in (hers["done"]["id"], hers["waiting"]):
        said = ask(house, method, filled(path, job_id, hers), BERT, {})

        assert hers["done"]["images"][0]["sha256"] not in said
        assert WORD not in said
        if is_of_somebody(path):
            assert said.startswith("404 ")
        else:
            assert hers["done"]["id"] not in said
            assert hers["waiting"] not in said


@pytest.mark.parametrize(("method", "path"), endpoints())
def test_nobody_gets_in_without_a_key(
    house: Service, hers: dict[str, Any], method: str, path: str
) -> None:
    for key in (None, "wrong-wrong-wrong-wrong"):
        said = ask(house, method, filled(path, hers["done"]["id"], hers), key, {})

        assert WORD not in said
        if path.startswith("/images/"):
            assert said.startswith("404 ")
        elif path not in OPEN:
            assert said.startswith("401 ")


def test_after_all_that_her_things_are_as_they_were(house: Service, hers: dict[str, Any]) -> None:
    for method, path in endpoints():
        for job_id in (hers["done"]["id"], hers["waiting"]):
            ask(house, method, filled(path, job_id, hers), BERT, {})

    job = house.job(hers["done"]["id"])
    assert (job["status"], job["finished_at"]) == ("succeeded", hers["done"]["finished_at"])
    assert house.job(hers["waiting"])["status"] == "queued"
    assert httpx.get(job["images"][0]["url"]).status_code == 200
    assert len(delivered(house, job["id"])[0]["attempts"]) == 1
    listed = house.http.get("/v1/jobs").json()["data"]
    assert {one["id"] for one in listed} == {hers["done"]["id"], hers["waiting"]}


def test_a_name_for_a_submission_is_the_keys_own(house: Service, hers: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {BERT}", "Idempotency-Key": WORD}
    answer = httpx.post(f"{house.url}/v1/jobs", json={"prompt": "other"}, headers=headers)

    assert answer.status_code == 202
    assert answer.json()["id"] != hers["done"]["id"]
    listed = httpx.get(f"{house.url}/v1/jobs", headers=headers).json()["data"]
    assert answer.json()["id"] in {one["id"] for one in listed}
    assert json.dumps(listed).count(WORD) == 0
