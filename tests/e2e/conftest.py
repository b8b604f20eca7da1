"""Where the services of these tests keep pictures: a folder each, or one real bucket."""

from collections.abc import Iterator

import pytest

from tests.bucket import Bucket
from tests.service import Service


@pytest.fixture(scope="session", autouse=True)
def pictures_of_all_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    if request.config.getoption("--pictures") == "folder":
        yield
        return
    bucket = Bucket(tmp_path_factory.mktemp("bucket") / "data")
    Service.pictures = bucket.settings
    yield
    Service.pictures = {}
    bucket.stop()


@pytest.fixture
def in_a_folder(request: pytest.FixtureRequest) -> None:
    """For what is true of folders alone."""
    if request.config.getoption("--pictures") != "folder":
        pytest.skip("about folders")
