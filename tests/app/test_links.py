"""URLs and their signatures."""

import time

import pytest
from redis import Redis

from app.links import STABLE_S, ImageSigner, Links


@pytest.fixture
def signer(redis: Redis) -> ImageSigner:
    return ImageSigner(redis, 3_600)


def signature(signer: ImageSigner, key: str, expires: int) -> str:
    return signer.query(key, expires).partition("signature=")[2]


def test_a_signature_opens_its_own_key_and_time_only(signer: ImageSigner) -> None:
    signed = signature(signer, "a/0.png", 100)

    assert signer.allows("a/0.png", 100, signed)
    assert not signer.allows("a/1.png", 100, signed)
    assert not signer.allows("a/0.png", 101, signed)
    assert not signer.allows("a/0.png", 100, signed[:-1])
    assert not signer.allows("a/0.png", 100, "")
    assert not signer.allows("a/0.png", 100, "é" * 32)


def test_a_url_lives_at_least_as_long_as_set(signer: ImageSigner) -> None:
    remaining_s = signer.expiry() - time.time()

    assert 3_600 - 1 < remaining_s <= 3_600 + STABLE_S


def test_a_short_life_is_at_most_doubled(redis: Redis) -> None:
    assert 0 < ImageSigner(redis, 2).expiry() - time.time() <= 4


def test_links_are_absolute_below_their_base(signer: ImageSigner) -> None:
    links = Links("https://pictures.example/darkroom/", signer)

    url, expires_at = links.image("a/0.png")

    assert links.job("5") == "https://pictures.example/darkroom/v1/jobs/5"
    assert links.job("5", "/cancel").endswith("/v1/jobs/5/cancel")
    assert url.startswith("https://pictures.example/darkroom/images/a/0.png?expires=")
    assert f"expires={int(expires_at.timestamp())}&" in url
