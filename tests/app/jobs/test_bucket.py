"""Pictures in a real bucket: who may read them, for how long, and what happens while it is away."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import httpx
import pytest

from app.jobs.images import ImageStore, ImagesUnavailable, image_key
from app.jobs.spec import OutputFormat
from tests.bucket import NAME, Bucket
from tests.service import eventually

pytestmark = pytest.mark.timeout(90)

KEY = image_key("0123456789abcdef" * 2, 0, OutputFormat.WEBP)
OTHER = image_key("0123456789abcdef" * 2, 1, OutputFormat.WEBP)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    bucket = Bucket(tmp_path_factory.mktemp("bucket") / "data")
    yield bucket
    bucket.stop()


@pytest.fixture
def images(bucket: Bucket) -> ImageStore:
    return ImageStore(f"{bucket.url}/below/this", bucket.access)


def test_a_picture_is_kept_until_it_is_deleted(images: ImageStore) -> None:
    images.put(KEY, b"first")
    images.put(KEY, b"second")

    assert images.get(KEY) == b"second"
    images.delete([KEY, OTHER])
    assert images.get(KEY) is None


def test_what_an_attempt_has_written_no_other_writes_over(images: ImageStore) -> None:
    key, began = KEY, datetime.now(UTC)

    assert images.put(key, b"first", began) == b"first"
    assert images.put(key, b"late", began) == b"first"

    assert images.get(key) == b"first"


def test_an_earlier_jobs_picture_under_the_same_id_gives_way(images: ImageStore) -> None:
    key = KEY
    images.put(key, b"of long ago")

    images.put(key, b"new", datetime.now(UTC) + timedelta(minutes=1))

    assert images.get(key) == b"new"


def test_a_signed_url_opens_one_picture_for_a_while(bucket: Bucket, images: ImageStore) -> None:
    images.put(KEY, b"bytes")
    images.put(OTHER, b"others")
    url = images.signed_url(KEY, 3)

    answer = httpx.get(url)
    assert answer.content == b"bytes"
    assert answer.headers["content-type"] == "image/webp"
    assert url.startswith(f"{bucket.endpoint}/{NAME}/below/this/{KEY}?")
    assert httpx.get(url.replace(KEY, OTHER)).status_code == 403
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    assert httpx.get(url.partition("?")[0]).status_code == 403
    assert httpx.put(url, content=b"mine").status_code == 403
    assert eventually(lambda: httpx.get(url).status_code == 403)
    still_good = images.signed_url(KEY, 60)
    images.delete([KEY])
    assert httpx.get(still_good).status_code == 404


def test_urls_begin_with_the_public_endpoint(bucket: Bucket) -> None:
    outside = bucket.endpoint.replace("127.0.0.1", "localhost")
    images = ImageStore(bucket.url, replace(bucket.access, public_endpoint=outside))
    images.put(KEY, b"bytes")

    url = images.signed_url(KEY, 60)

    assert url.startswith(f"{outside}/{NAME}/{KEY}?")
    assert httpx.get(url).content == b"bytes"
    assert httpx.get(url.replace("localhost", "127.0.0.1")).status_code == 403


def test_only_pictures_of_ours_are_listed(bucket: Bucket) -> None:
    images = ImageStore(bucket.url, bucket.access)  # the server's probe lies here too
    images.put(KEY, b"bytes")
    now = datetime.now(UTC)
    assert [key for keys in images.older_than(now + timedelta(hours=1)) for key in keys] == [KEY]
    assert [key for keys in images.older_than(now - timedelta(hours=1)) for key in keys] == []


def test_who_is_not_let_in_is_told_why(bucket: Bucket) -> None:
    stranger = ImageStore(bucket.url, replace(bucket.access, secret_access_key="0" * 32))

    with pytest.raises(ImagesUnavailable, match=r"403|Forbidden|denied"):
        stranger.put(KEY, b"bytes")


def test_writing_waits_for_a_store_that_is_away_and_reading_does_not(bucket: Bucket) -> None:
    patient = ImageStore(bucket.url, bucket.access, patience_s=60)
    patient.put(OTHER, b"before")
    bucket.kill()
    writing = Thread(target=patient.put, args=(KEY, b"at last"), daemon=True)
    writing.start()

    asked_at = time.monotonic()
    with pytest.raises(ImagesUnavailable):
        patient.get(OTHER)
    assert time.monotonic() - asked_at < 30  # not the minute that writing waits
    assert writing.is_alive()

    bucket.start()
    writing.join(60)
    assert patient.get(KEY) == b"at last"
    assert patient.get(OTHER) == b"before"
