"""Pictures of the local store, to whoever holds a signed URL that has not run out."""

import hashlib
import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.dependencies import Service
from app.errors import Gone, NotFound
from app.jobs.images import content_type, is_image_key
from app.jobs.spec import OutputFormat

router = APIRouter(tags=["images"])


PICTURE = {"content": {one.content_type: {} for one in OutputFormat}}


@router.get(
    "/images/{key:path}",
    response_class=Response,
    responses={200: PICTURE, 304: {"description": "The picture is the one you have"}, 410: {}},
)
def image(
    key: str,
    services: Service,
    expires: Annotated[int, Query(ge=0, le=10**12)] = 0,
    signature: Annotated[str, Query(max_length=64)] = "",
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The bytes of one picture; 404 without a valid signature, 410 when its time is over."""
    if not is_image_key(key) or not services.signer.allows(key, expires, signature):
        raise NotFound("There is no such picture, or the URL is not signed.")
    remaining_s = expires - int(time.time())
    if remaining_s <= 0:
        raise Gone("This URL has run out; read the job again for a new one.")
    data = services.images.get(key)
    if data is None:
        raise NotFound("The picture is no longer kept.")
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"private, max-age={remaining_s}, immutable",
        "Content-Disposition": f'inline; filename="darkroom-{key.replace("/", "-")}"',
        "X-Content-Type-Options": "nosniff",
    }
    if if_none_match and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=content_type(key), headers=headers)
