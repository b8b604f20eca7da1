"""Pictures behind signed URLs that run out."""

import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.links import ImageSigner
from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving
from tests.service import Store


@pytest.fixture
def url(front_end: FrontEnd) -> str:
    """Of the one picture of a finished job."""
    job_id = front_end.submit()["id"]
    front_end.worker.draw(job_id)
    (image,) = front_end.get(job_id)["images"]
    return image["url"]


def test_a_signed_url_gives_the_bytes_with_their_headers(url: str, front_end: FrontEnd) -> None:
    answer = httpx.get(url)

    job_id = urlsplit(url).path.split("/")[2]
    assert answer.status_code == 200
    assert answer.content == f"{job_id} 0".encode()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["content-disposition"] == f'inline; filename="darkroom-{job_id}-0.png"'
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_has_the_picture_is_not_sent_it_again(url: str) -> None:
    tag = httpx.get(url).headers["etag"]

    for condition in (tag, f"W/{tag}", f'"other", {tag}'):
        again = httpx.get(url, headers={"If-None-Match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert httpx.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "tamper",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("expires=", "expires=1"),
        lambda url: url.replace("/0.png", "/1.png"),
        lambda url: url.partition("?")[0],
        lambda url: url.partition("&")[0],
        lambda url: url.partition("&")[0] + "&signature=%ff%00",
    ],
)
def test_a_url_that_was_tampered_with_opens_nothing(tamper, url: str) -> None:  # type: ignore[no-untyped-def]
    assert_problem(httpx.get(tamper(url)), 404, "not_found")


def test_a_url_runs_out(front_end: FrontEnd, url: str) -> None:
    key = urlsplit(url).path.removeprefix("/images/")
    query = front_end.services.signer.query(key, 1_700_000_000)

    assert_problem(httpx.get(f"{front_end.url}/images/{key}?{query}"), 410, "gone")


@pytest.mark.parametrize(
    "key",
    [
        "../valkey.log",
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "{job}%2F%2E%2E%2F{job}/0.png",
        "{job}/0.png%00.txt",
        "{job}/0.png%0A",
        "{job}/8.png",
        "{job}/0.gif",
        "{job}/",
        "{job}",
        "",
    ],
)
def test_a_key_that_is_none_of_ours_opens_nothing_even_when_signed(
    key: str, url: str, front_end: FrontEnd
) -> None:
    job_id = urlsplit(url).path.split("/")[2]
    key = key.replace("{job}", job_id)
    query = front_end.services.signer.query(httpx.URL(f"http://a/{key}").path[1:], 10**11)

    assert_problem(front_end.http.get(f"/images/{key}?{query}"), 404, "not_found")


def test_every_api_process_on_one_store_honours_the_same_urls(
    front_end: FrontEnd, url: str, store: Store, tmp_path: Path
) -> None:
    front_end.services.redis.set("unrelated", 1)
    folder = front_end.services.settings.data_dir
    with serving(Settings(redis_url=store.url, data_dir=folder)) as first:
        job_id = first.submit_and_draw()
        image = first.get(job_id)["images"][0]["url"]
        with serving(Settings(redis_url=store.url, data_dir=folder)) as second:
            assert second.http.get(image.replace(first.url, second.url)).status_code == 200


def test_a_url_stays_the_same_for_a_while_so_that_it_can_be_cached(
    front_end: FrontEnd, url: str
) -> None:
    job_id = urlsplit(url).path.split("/")[2]

    assert front_end.get(job_id)["images"][0]["url"] in (url, url_after_the_tick(url, front_end))


def url_after_the_tick(url: str, front_end: FrontEnd) -> str:
    """The URL that follows this one when its five minutes are over."""
    parts = urlsplit(url)
    expires = int(parse_qs(parts.query)["expires"][0]) + 300
    key = parts.path.removeprefix("/images/")
    return f"{front_end.url}/images/{key}?{front_end.services.signer.query(key, expires)}"


def test_the_secret_is_made_once_and_shared(front_end: FrontEnd) -> None:
    front_end.services.redis.flushall()
    one = ImageSigner(front_end.services.redis, 60)
    other = ImageSigner(front_end.services.redis, 60)

    assert one.query("a", 1) == other.query("a", 1)
    assert one.query("a", 1) != one.query("a", 2) != one.query("b", 1)
