import io
import json
import tarfile
from pathlib import Path

import pytest

from models.card import CheckpointError
from models.training.packages import Package, fetch, read_files, read_json


def archive_with(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_archive_is_named_as_npm_names_it() -> None:
    assert Package("@iconify-json/noto", "1.2.9", "").archive_name == "iconify-json-noto-1.2.9.tgz"


def test_a_kept_archive_with_other_content_is_refused(tmp_path: Path) -> None:
    package = Package("drawings", "1.0.0", "0" * 64)
    archive_with(tmp_path / package.archive_name, {"icons.json": b"{}"})

    with pytest.raises(CheckpointError, match=r"drawings-1.0.0.tgz: has SHA-256"):
        fetch(package, tmp_path)


def test_json_is_read_and_a_missing_document_is_empty(tmp_path: Path) -> None:
    archive = archive_with(tmp_path / "a.tgz", {"icons.json": json.dumps({"a": 1}).encode()})

    assert read_json(archive, "icons.json") == {"a": 1}
    assert read_json(archive, "chars.json") == {}


def test_files_are_found_by_suffix(tmp_path: Path) -> None:
    archive = archive_with(tmp_path / "a.tgz", {"assets/1f431.webp": b"cat", "README.md": b"no"})

    assert list(read_files(archive, ".webp")) == [("1f431", b"cat")]
