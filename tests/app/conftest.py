"""A front end on an empty Valkey, with one model announced and no worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dependencies import Services
from app.settings import Settings
from tests.app.front_end import FrontEnd, HandWorker, serving
from tests.service import Store


@pytest.fixture
def settings(store: Store, tmp_path: Path) -> Settings:
    return Settings(redis_url=store.url, data_dir=tmp_path)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """The services of one process, without HTTP."""
    found = Services.connected(settings)
    yield found
    found.redis.close()


@pytest.fixture
def worker(services: Services) -> HandWorker:
    return HandWorker(services)


@pytest.fixture(scope="session")
def served(session_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    folder = tmp_path_factory.mktemp("front_end")
    with serving(Settings(redis_url=session_store.url, data_dir=folder)) as front_end:
        yield front_end


@pytest.fixture
def front_end(served: FrontEnd, store: Store) -> FrontEnd:
    """One server for all tests, which keeps nothing between them: the store is emptied."""
    served.announce()
    return served
