"""One whole service for all clients' tests: real Valkey, API, worker, webhooks, the built-in model.

It has keys, so that every client has to say who it is in its own way.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.front_end import FrontEnd, serving
from tests.app.webhooks.receiver import SECRET
from tests.service import Json, Service, Store

KEY, OTHER_KEY = "team-secret-0123456789", "other-secret-0123456789"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("house")
    store = Store(tmp_path_factory.mktemp("house-valkey"))
    service = Service(
        store,
        folder,
        folder,
        models="default=built-in",
        api_keys=f"team:{KEY},other:{OTHER_KEY}",
        webhook_secret=SECRET,
        webhook_allow="127.0.0.0/8",
        webhook_retry_schedule="1,1,1",
    )
    service.http.headers["Authorization"] = f"Bearer {KEY}"
    try:
        service.start_api()
        service.start_worker(timeout_s=150)
        service.start_webhooks()
        yield service
    finally:
        service.stop()
        store.stop()


@pytest.fixture(scope="session")
def model(house: Service) -> Json:
    """What the service says of its model: sizes and defaults are asked for, never assumed."""
    (found,) = house.http.get("/v1/models").json()["data"]
    return found


@pytest.fixture
def narrow(store: Store, tmp_path: Path) -> Iterator[FrontEnd]:
    """A front end where one job may wait, and whose jobs are drawn, or not, by hand."""
    with serving(Settings(redis_url=store.url, data_dir=tmp_path, max_queue=1)) as front_end:
        front_end.announce()
        yield front_end
