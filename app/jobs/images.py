"""Finished pictures in an object store. The only place where a storage key is spelt.

Synchronous on purpose: obstore's asynchronous calls can abort the interpreter at exit.
"""

import contextlib
import re
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, S3Store, from_url

from app.jobs.spec import GenerationSpec, OutputFormat
from app.jobs.staged import delete_staged
from app.settings import S3Access

ANSWER_TIMEOUT_S = 3.0  # what a client who waits for us can bear
WRITE_PATIENCE_S = 600.0  # a picture that took minutes to draw is worth as many of waiting
CONNECT, TRY_TIMEOUT = timedelta(seconds=2), timedelta(seconds=20)
MAX_BACKOFF = timedelta(seconds=2)
LIST_CHUNK = 1_000
RACES = 3  # with other attempts; then something else is in the way, and the store shall say what
SKEW = timedelta(seconds=30)  # of clocks; an id is never used again within the shortest lifetime
DEFAULT_REGION = "us-east-1"  # stores that are not Amazon's want one, and any will do
MAX_REASON = 300
CACHE_CONTROL = "private, max-age=86400, immutable"  # nothing else is ever written under a key
ANYBODY = S3Access()
KEY = re.compile(r"(?P<job>[0-9a-f]{32})/(?P<index>[0-7])\.(?P<format>png|jpeg|webp)")


def image_key(job_id: str, index: int, output_format: OutputFormat) -> str:
    """Derived from the job alone, so that no attempt adds to another's pictures."""
    return f"{job_id}/{index}.{output_format.value}"


def image_keys(job_id: str, spec: GenerationSpec) -> list[str]:
    """All pictures that the job has or may still get."""
    return [image_key(job_id, index, spec.output_format) for index in range(spec.num_images)]


def is_image_key(key: str) -> bool:
    """Whether this is a key of ours; anything else never reaches the store."""
    return KEY.fullmatch(key) is not None


def content_type(key: str) -> str:
    """The media type of a key that `is_image_key`."""
    return f"image/{key.rpartition('.')[2]}"


class ImagesUnavailable(Exception):
    """The image store cannot be reached, or does not let us in; says why."""


class ImageStore:
    """Pictures by key, in whatever the URL names: `file:///...` or `s3://bucket/prefix`."""

    def __init__(
        self, url: str, s3: S3Access = ANYBODY, patience_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """Connects lazily: the store may be away. Writing is then tried again for `patience_s`."""
        self._store = _open(url, s3, s3.endpoint, ANSWER_TIMEOUT_S)
        self._writing = _open(url, s3, s3.endpoint, patience_s)
        public = s3.public_endpoint or s3.endpoint
        self._signing = _open(url, s3, public, ANSWER_TIMEOUT_S)  # signatures hold for one host

    @property
    def signs(self) -> bool:
        """Whether the store itself serves pictures, to who holds a URL signed by us."""
        return isinstance(self._signing, S3Store)

    def put(self, key: str, data: bytes, since: datetime | None = None) -> bytes:
        """Write one picture; a reader sees all of it or nothing. Returns what stands there now.

        That is another attempt's picture if one has been written `since` the job began its life: a
        client may have seen it. Only what is older gives way.

        Raises:
            ImagesUnavailable: The store is away for longer than our patience.
        """
        with _errors_are_ours():
            if since is not None:
                for _ in range(RACES):
                    with contextlib.suppress(AlreadyExistsError):
                        self._write(key, data, "create")
                        return data
                    if (stands := self._standing(key, since - SKEW)) is not None:
                        return stands
            self._write(key, data, "overwrite")
            return data

    def _standing(self, key: str, since: datetime) -> bytes | None:
        """A picture that was written since; an older one is deleted."""
        try:
            found = obstore.get(self._writing, key)
            if found.meta["last_modified"] > since:
                return bytes(found.bytes())
            obstore.delete(self._writing, key)
        except FileNotFoundError:
            pass
        return None

    def _write(self, key: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        if isinstance(self._writing, LocalStore):  # a file system keeps no attributes
            obstore.put(self._writing, key, data, mode=mode)
        else:
            attributes = {"Content-Type": content_type(key), "Cache-Control": CACHE_CONTROL}
            obstore.put(self._writing, key, data, mode=mode, attributes=cast(Any, attributes))

    def get(self, key: str) -> bytes | None:
        """The bytes of one picture, or None."""
        with _errors_are_ours():
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def delete(self, keys: Iterable[str]) -> None:
        """Remove pictures; those that are not there are no error."""
        with _errors_are_ours():
            if isinstance(self._store, S3Store):
                obstore.delete(self._store, list(keys))  # one request for a thousand
                return
            for key in keys:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._store, key)

    def older_than(self, moment: datetime) -> Iterator[list[str]]:
        """Keys of pictures last written before, some at a time; foreign objects are left out."""
        with _errors_are_ours():
            for listed in obstore.list(self._store, chunk_size=LIST_CHUNK):
                keys = [one["path"] for one in listed if one["last_modified"] < moment]
                yield [key for key in keys if is_image_key(key)]

    def delete_unfinished(self, moment: datetime) -> int:
        """Delete what was begun before and never became a picture; how many files.

        Only in a folder: a bucket shows nothing of an upload before its end.
        """
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return 0
        with _errors_are_ours():
            return delete_staged(self._store.prefix, moment)

    def signed_url(self, key: str, ttl_s: int) -> str:
        """A URL at the store's public endpoint that works for so long (AWS Signature Version 4).

        Only where the store `signs`; nothing is sent for it.
        """
        store = cast(S3Store, self._signing)
        return obstore.sign(store, "GET", key, timedelta(seconds=ttl_s))


def _open(url: str, s3: S3Access, endpoint: str | None, patience_s: float) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(unquote(parts.path), mkdir=True, automatic_cleanup=True)
    if parts.scheme not in ("s3", "s3a"):
        return from_url(url)
    chosen = {
        "endpoint": endpoint,
        "region": s3.region or (DEFAULT_REGION if endpoint else None),
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
    }
    config = {name: value for name, value in chosen.items() if value is not None}
    return from_url(
        url,
        config=cast(Any, {**config, "virtual_hosted_style_request": endpoint is None}),
        client_options={"allow_http": True, "timeout": TRY_TIMEOUT, "connect_timeout": CONNECT},
        retry_config={
            "max_retries": 1_000,  # the time decides
            "retry_timeout": timedelta(seconds=patience_s),
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": MAX_BACKOFF,
                "base": 2,
            },
        },
    )


@contextlib.contextmanager
def _errors_are_ours() -> Generator[None]:
    """A store that is away has one name here, whichever store it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise ImagesUnavailable(str(error).partition("\n")[0][:MAX_REASON]) from error
