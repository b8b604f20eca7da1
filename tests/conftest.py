"""What all tests share: one real Valkey a session, emptied for each test, and a tiny checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from redis import Redis

from tests.service import Service, Store
from tests.tiny_checkpoint import EPSILON, ZERO_SNR, TinyPipeline, write_tiny_checkpoint


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures",
        choices=("folder", "s3"),
        default="folder",
        help="where services of tests/e2e keep pictures",
    )


def pytest_configure() -> None:
    torch.set_num_threads(1)  # on nets this small a second thread only waits


@pytest.fixture(scope="session")
def session_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("valkey"))
    yield store
    store.stop()


@pytest.fixture
def store(session_store: Store) -> Store:
    """An empty Valkey."""
    session_store.redis.flushall()
    return session_store


@pytest.fixture
def redis(store: Store) -> Iterator[Redis]:
    client = store.redis
    yield client
    client.close()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with random weights that draws within a blink."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("zero_snr"), ZERO_SNR)


@pytest.fixture(scope="session")
def checkpoint(tiny_checkpoint: Path) -> Path:
    """What a service of the tests draws with."""
    return tiny_checkpoint


@pytest.fixture(scope="session")
def epsilon_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("epsilon"), EPSILON)


@pytest.fixture(scope="session")
def pipeline(tiny_checkpoint: Path) -> TinyPipeline:
    return TinyPipeline(tiny_checkpoint)


@pytest.fixture(scope="session", params=["zero_snr", "epsilon"])
def either_pipeline(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, epsilon_checkpoint: Path
) -> TinyPipeline:
    """Both noise schedules: between them they support every scheduler."""
    return TinyPipeline(tiny_checkpoint if request.param == "zero_snr" else epsilon_checkpoint)


@pytest.fixture
def service(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """API and one worker, ready; leases as short as can be."""
    service = Service(store, checkpoint, tmp_path, job_lease_s="2")
    service.start_api()
    service.start_worker()
    yield service
    service.stop()
