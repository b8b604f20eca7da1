"""The page at `/` and the API's documentation: files of `app/web`, under a policy of their own.

Both are static and know nothing of the service; their modules ask the API as any client does.
"""

import os
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

router = APIRouter(include_in_schema=False)

WEB = Path(__file__).parent.parent / "web"
POLICY = "; ".join(  # Content Security Policy, level 3: nothing inline, nobody else's host
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FRESH = {"Cache-Control": "no-cache"}  # asked again each time: after an upgrade all files match
HEADERS = {
    **FRESH,
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Assets(StaticFiles):
    """Styles, modules, fonts; a browser asks each time whether they are still the same."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update({**FRESH, "X-Content-Type-Options": "nosniff"})
        return response


@router.get("/")
async def page() -> FileResponse:
    """The playground."""
    return FileResponse(WEB / "index.html", headers=HEADERS)


@router.get("/docs")
async def docs() -> FileResponse:
    """The reference, made of `/openapi.json` in the browser."""
    return FileResponse(WEB / "docs.html", headers=HEADERS)
