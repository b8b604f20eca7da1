"""What a picture says of itself: `POST /v1/images/inspect`, the bytes of a file as the body."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.dependencies import Owner
from app.errors import FieldError, InvalidRequest
from app.stories import parameters, xmp
from app.stories.containers import Carried, Unreadable, carried

router = APIRouter(prefix="/v1/images", tags=["images"])

BODY = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
    },
}


class Inspection(BaseModel):
    """What stands in the file. Anybody may have written it, and anybody may have taken it out.

    Attributes:
        is_marked_as_generated: Its XMP names `trainedAlgorithmicMedia` as the digital source.
        parameters: The text, as it stands there.
        fields: The same in the words of `POST /v1/jobs`, as far as it can be told.
        has_c2pa: It carries a C2PA manifest, which is not verified here.
    """

    format: str
    width: int
    height: int
    is_marked_as_generated: bool
    digital_source_type: str | None
    creator_tool: str | None
    parameters: str | None
    fields: dict[str, Any] | None
    has_c2pa: bool

    @classmethod
    def of(cls, found: Carried) -> "Inspection":
        source = xmp.digital_source_type(found.xmp)
        text = found.parameters
        return cls(
            format=found.format,
            width=found.width,
            height=found.height,
            is_marked_as_generated=source == xmp.TRAINED,
            digital_source_type=source,
            creator_tool=xmp.creator_tool(found.xmp),
            parameters=text,
            fields=None if text is None else parameters.read(text).fields,
            has_c2pa=found.has_c2pa,
        )


@router.post("/inspect", openapi_extra={"requestBody": BODY})
async def inspect(request: Request, owner: Owner) -> Inspection:
    """Read a PNG, JPEG or WebP of up to 16 MiB; nothing is kept, and nothing is verified."""
    data = await request.body()
    return await run_in_threadpool(_inspect, data)


def _inspect(data: bytes) -> Inspection:
    try:
        return Inspection.of(carried(data))
    except Unreadable as error:
        raise InvalidRequest(FieldError(field="body", message=str(error))) from error
