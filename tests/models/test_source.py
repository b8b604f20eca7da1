from pathlib import Path

import pytest

from models.card import CheckpointError
from models.source import locate

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_path_is_itself(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path
    assert locate("/no/such/folder") == Path("/no/such/folder")


def test_a_snapshot_in_the_cache_needs_no_network(tmp_path: Path, offline: None) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)

    assert locate(f"owner/name@{REVISION}", tmp_path) == snapshot


def test_a_name_without_its_revision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"owner/name: no such folder; .*owner/name@revision"):
        locate("owner/name", tmp_path)


def test_what_cannot_be_fetched_is_named_in_a_line(tmp_path: Path, offline: None) -> None:
    with pytest.raises(CheckpointError, match="owner/name@v1: cannot be fetched") as caught:
        locate("owner/name@v1", tmp_path)

    assert "\n" not in str(caught.value)
