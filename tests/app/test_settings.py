"""Settings: read from the environment, refused by name when they cannot be."""

import base64
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

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
        ("IMAGE_URL_TTL_S", "604800"),
        ("REDIS_PASSWORD", "@nowhere"),
        ("LOG_LEVEL", "LOUD"),
        ("WEBHOOK_SECRET", "secret"),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("WEBHOOK_SECRET", "whsec_!!!!"),
        ("WEBHOOK_SECRET", "whsec_é"),
        ("WEBHOOK_SECRET", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
        ("WEBHOOK_ALLOW", "10.0.0.0/40"),
        ("WEBHOOK_ALLOW", "a b"),
        ("WEBHOOK_ALLOW", "*"),
        ("WEBHOOK_RETRY_SCHEDULE", "5,soon"),
        ("WEBHOOK_RETRY_SCHEDULE", "-1"),
        ("WEBHOOK_RETRY_SCHEDULE", "inf"),
        ("WEBHOOK_RETRY_SCHEDULE", "nan"),
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


def test_webhooks_are_signed_with_every_secret_that_is_set() -> None:
    secrets = [b"0" * 24, b"1" * 64]
    listed = ", ".join(f"whsec_{base64.b64encode(secret).decode()}" for secret in secrets)

    assert Settings(webhook_secret=SecretStr(listed)).webhook_keys == secrets
    assert Settings(webhook_secret=SecretStr("")).webhook_keys == []
    assert Settings().webhook_keys == []


def test_webhooks_may_be_let_into_networks_and_to_hosts() -> None:
    settings = Settings(webhook_allow=" 127.0.0.0/8,10.1.2.3, fd00::/8 ,Hooks.Internal")

    networks = ["127.0.0.0/8", "10.1.2.3/32", "fd00::/8"]
    assert settings.webhook_networks == [ip_network(one) for one in networks]
    assert settings.webhook_hosts == {"hooks.internal"}


def test_a_delivery_is_kept_as_long_as_its_job_and_its_tries() -> None:
    short = Settings(webhook_retry_schedule="1, 2.5", job_ttl_s=100_000)

    assert short.webhook_waits_s == [1.0, 2.5]
    assert short.delivery_ttl_s == 100_000
    assert Settings(webhook_retry_schedule="1000000").delivery_ttl_s > 1_000_000
    assert Settings(webhook_retry_schedule="").webhook_waits_s == []


def test_secrets_may_lie_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("p@ss/word\n")
    monkeypatch.setenv("DARKROOM_REDIS_URL", "redis://store:6379/0")
    monkeypatch.setenv("DARKROOM_REDIS_PASSWORD", "@password")
    monkeypatch.setenv("DARKROOM_S3_SECRET_ACCESS_KEY", f"@{tmp_path}/password")

    settings = Settings()

    assert settings.redis_url == "redis://:p%40ss%2Fword@store:6379/0"
    assert settings.s3.secret_access_key == "p@ss/word"
    assert "p@ss" not in repr(settings.s3)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("rediss://me@store/0", "rediss://me:secret@store/0"),
        ("redis://:own@store", "redis://:own@store"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_a_url_keeps_the_password_it_has(url: str, wanted: str) -> None:
    assert Settings(redis_url=url, redis_password=SecretStr("secret")).redis_url == wanted
