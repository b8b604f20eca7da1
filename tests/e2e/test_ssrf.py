"""A name server that rebinds, receivers that redirect: no canary inside hears a word."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.front_end import MODEL
from tests.e2e.island import ADDRESSES, ADDRESSES6, MIXED, PORT
from tests.service import Json, Service, Store, eventually

pytestmark = pytest.mark.timeout(120)

ALONE = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
REBINDING, REDIRECTING = ("rebind.example", "cloud.example"), "redirect.example"


def has_islands() -> bool:
    """Whether this system lets us have a network of our own."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def island(service: Service) -> Iterator[Json]:
    """A sender on its island; what was seen there, filled in at the end."""
    seen: Json = {}
    command = [*ALONE, sys.executable, "-m", "tests.e2e.island", str(service.folder)]
    process = subprocess.Popen(
        command, env=service.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield seen
    finally:
        said, _ = process.communicate(timeout=60)
    seen.update(json.loads(said))


@pytest.fixture
def house(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """An API; its sender is on an island and may reach nothing private."""
    schedule = ",".join(["0.1"] * 11)
    service = Service(store, checkpoint, tmp_path, webhook_retry_schedule=schedule)
    store.redis.hset("darkroom:models", MODEL.id, MODEL.model_dump_json())
    service.start_api()
    yield service
    service.stop()


def owe(house: Service, host: str) -> str:
    """A job whose end is to be told to the host."""
    job_id: str = house.submit(webhook={"url": f"http://{host}:{PORT}/"})["id"]
    house.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    return job_id


def attempts(house: Service, job_id: str) -> list[Json]:
    """All tries, once there will be no other."""

    def settled() -> list[Json]:
        (one,) = house.http.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
        return one["attempts"] if one["status"] != "pending" else []

    return eventually(settled, timeout_s=60, every_s=0.1)


@pytest.mark.skipif(not has_islands(), reason="no unshare, or no namespaces for this user")
def test_no_answer_of_a_name_server_and_no_redirect_leads_inside(house: Service) -> None:
    with island(house) as seen:
        jobs = {host: owe(house, host) for host in (*ADDRESSES, *ADDRESSES6, MIXED)}
        told = {host: attempts(house, job_id) for host, job_id in jobs.items()}

    assert set(seen["canaries"].values()) == {0}
    assert len(seen["canaries"]) == 7
    refused = "the address is not a public one"
    for host, tries in told.items():
        codes = [one["response_code"] for one in tries]
        if host == REDIRECTING:
            assert len(codes) == 12
            assert all(300 <= code < 400 for code in codes), codes
        elif host == MIXED:
            assert codes == [500] * 12
        else:
            assert codes in ([None], [500, None]), (host, tries)
            assert tries[-1]["error"] == refused
    assert all(seen["asked"][host] >= 2 for host in REBINDING)
    assert any(host.startswith("rebind.") for host in seen["public"])
    assert seen["redirecting"] >= 12
