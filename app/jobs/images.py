"""Finished pictures in an object store. The only place where a storage key is spelt.

Synchronous on purpose: obstore's asynchronous calls can abort the interpreter at exit.
"""

import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from app.jobs.spec import GenerationSpec, OutputFormat

KEY = re.compile(r"(?P<job>[0-9a-f]{32})/(?P<index>[0-7])\.(?P<format>png|jpeg|webp)")


def image_key(job_id: str, index: int, output_format: OutputFormat) -> str:
    """Derived from the job alone, so that a second attempt writes over the first."""
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


class ImageStore:
    """Pictures by key, in whatever `url` names (`file:///...`)."""

    def __init__(self, url: str) -> None:
        self._store = _open(url)

    def put(self, key: str, data: bytes) -> None:
        """Write one picture; a reader sees all of it or nothing."""
        attributes = {"Content-Type": content_type(key)}
        if isinstance(self._store, LocalStore):
            obstore.put(self._store, key, data)  # a file system keeps no attributes
        else:
            obstore.put(self._store, key, data, attributes=cast(Any, attributes))

    def get(self, key: str) -> bytes | None:
        """The bytes of one picture, or None."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """Remove pictures; those that are not there are no error."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                continue


def _open(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(unquote(parts.path), mkdir=True)
    return from_url(url)
