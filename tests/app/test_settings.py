"""Settings: read from the environment, refused by name when they cannot be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings()

    assert settings.redis_url is None
    assert settings.default_model_id == "default"
    assert settings.image_store_url == (tmp_path / ".darkroom" / "images").as_uri()


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DARKROOM_MAX_QUEUE=5\nDARKROOM_JOB_TTL_S=100\nOTHER=1\n")
    monkeypatch.setenv("DARKROOM_MAX_QUEUE", "7")

    settings = Settings()

    assert (settings.max_queue, settings.job_ttl_s) == (7, 100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODELS", "default"),
        ("MODELS", "=path"),
        ("MODELS", "default="),
        ("MODELS", "a=b,,c=d"),
        ("MODELS", ""),
        ("MAX_QUEUE", "0"),
        ("MAX_QUEUE", "many"),
        ("JOB_LEASE_S", "1"),
        ("JOB_TTL_S", "59"),
        ("IMAGE_URL_TTL_S", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DARKROOM_{name}", value)

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert [error["loc"] for error in refused.value.errors()] == [(name.lower(),)]


def test_models_are_pairs_and_the_first_is_the_default() -> None:
    settings = Settings(models=" a = /one , b=/two=2")

    assert settings.model_paths == {"a": "/one", "b": "/two=2"}
    assert settings.default_model_id == "a"
    assert Settings(models="a=/one,b=/two", default_model="b").default_model_id == "b"


def test_the_store_may_be_anywhere() -> None:
    assert Settings(store_url="s3://bucket/prefix").image_store_url == "s3://bucket/prefix"


def test_connecting_changes_nothing_else() -> None:
    settings = Settings(max_queue=3)

    assert settings.connected_to("redis://a") == settings.model_copy(
        update={"redis_url": "redis://a"}
    )
    assert settings.redis_url is None


def test_a_log_level_may_be_written_small() -> None:
    assert Settings(log_level="debug").log_level == "DEBUG"
