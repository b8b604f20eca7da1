"""What containers ask: each part is healthy for its own reason, and says why it is not."""

import socket

import pytest

from app.healthcheck import main
from tests.app.front_end import WORKER, FrontEnd
from tests.service import Store


def test_a_worker_is_healthy_once_it_can_draw(
    front_end: FrontEnd, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", store.url)
    assert main("worker") == "no worker of this host is ready"

    here = WORKER.model_copy(update={"name": f"{socket.gethostname()}-7-abc"})
    front_end.services.catalogue.beat(here.model_copy(update={"is_ready": False}))
    assert main("worker") == "no worker of this host is ready"

    front_end.services.catalogue.beat(here)
    assert main("worker") is None


def test_a_sender_needs_redis(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", store.url)
    assert main("webhooks") is None

    monkeypatch.setenv("DARKROOM_REDIS_URL", f"unix://{store.data_dir}/nobody.sock")
    assert (main("webhooks") or "").startswith("ConnectionError")
