"""Previews: small pictures of unfinished ones, from the worker to whoever watches right now.

They live beside the history, not in it: nobody who comes later gets them again. A watcher wishes
for them by a key with a short life; the worker learns of it where it tells of progress.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from app.jobs import keys
from app.jobs.spec import MAX_IMAGES


class Previews:
    """The previews of open jobs, by job id, as data URLs by the image's index."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        script = files("app.jobs").joinpath("preview.lua").read_text()
        self._publish = redis.register_script(script)

    def wish(self, job_id: str) -> None:
        """Somebody looks: for `PREVIEW_TTL_S` from now the worker makes previews of this job."""
        self._redis.set(keys.preview_wish(job_id), 1, ex=keys.PREVIEW_TTL_S)

    def latest(self, job_id: str) -> dict[int, str]:
        """The newest preview of each image of which there is one from the last few seconds."""
        entries = self._redis.xrange(keys.previews(job_id))
        found = [read(fields) for _, fields in cast(list[Any], entries)]
        return {preview["index"]: preview["image"] for preview in found}

    def publish(
        self, job_id: str, lease: str, images: Mapping[int, str], pipe: Pipeline | None = None
    ) -> bool:
        """Hand on what the holder of the lease has drawn; whether anybody wishes for more."""
        parts = [part for index, image in images.items() for part in (index, image)]
        names = keys.record(job_id), keys.preview_wish(job_id), keys.previews(job_id)
        args = [lease, keys.PREVIEW_TTL_S, MAX_IMAGES, *parts]
        return bool(self._publish(keys=names, args=args, client=pipe))


def read(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """One entry of a stream of previews: `index` and `image`, a data URL."""
    return json.loads(fields[b"data"])
