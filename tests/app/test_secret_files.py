"""The secrets of a deployment: made once, readable by its containers, never written over."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.auth import KeyRing
from app.secret_files import FILES, main, make_missing
from app.settings import Settings


def test_what_is_missing_is_made_and_works_as_settings(tmp_path: Path) -> None:
    assert make_missing(tmp_path) == list(FILES)

    ring = KeyRing(SecretStr(f"@{tmp_path}/api_keys"))
    for line in (tmp_path / "api_keys").read_text().splitlines():
        name, _, secret = line.partition(":")
        assert ring.owner_of(f"Bearer {secret}") == name
    scraper = (tmp_path / "prometheus_key").read_text()
    assert ring.owner_of(f"Bearer {scraper}") == "prometheus"
    settings = Settings(
        redis_url="redis://store:6379/0",
        redis_password=SecretStr((tmp_path / "redis_password").read_text()),
        webhook_secret=SecretStr((tmp_path / "webhook_secret").read_text()),
    )
    assert len(settings.webhook_keys) == 1
    assert all((tmp_path / made).stat().st_mode & 0o777 == 0o444 for made in FILES)


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "redis_password").write_text("mine")
    (tmp_path / "api_keys").write_text("me:0123456789abcdef")

    assert main(tmp_path) is None

    assert (tmp_path / "redis_password").read_text() == "mine"
    said = capsys.readouterr().out
    assert "redis_password" not in said
    assert "docker compose exec" not in said
    assert make_missing(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "app.secret_files", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert str(tmp_path / "none") in run.stderr
    assert "No such file" in run.stderr
