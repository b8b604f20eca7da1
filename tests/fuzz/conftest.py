"""A whole service with keys, for whoever sends it anything that comes to mind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, Store

KEY = "fuzz-fuzz-fuzz-fuzz"


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Service]:
    store = Store(tmp_path_factory.mktemp("fuzz-valkey"))
    service = Service(
        store,
        checkpoint,
        tmp_path_factory.mktemp("fuzz"),
        api_keys=f"fuzz:{KEY}",
        webhook_allow="127.0.0.0/8",
        webhook_retry_schedule="1",
        max_queue="100000",
    )
    service.http.headers["Authorization"] = f"Bearer {KEY}"
    service.start_api()
    service.start_webhooks()
    service.start_worker()
    yield service
    service.stop()
    store.stop()
