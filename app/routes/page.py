"""The page at `/` and the API's documentation: files of `app/web`, under a policy of their own.

Both are static and know nothing of the service; their modules ask the API as any client does.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from app.dependencies import Service

router = APIRouter(include_in_schema=False)

WEB = Path(__file__).parent.parent / "web"
POLICY = {  # Content Security Policy, level 3: nothing inline, nobody else's host
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
FRESH = {"Cache-Control": "no-cache"}  # asked again each time: after an upgrade all files match
ANY_KEY = f"{'0' * 32}/0.png"


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
        response.headers.update(FRESH)
        return response


@router.get("/")
async def page(services: Service) -> FileResponse:
    """The playground; it may also show pictures of the store that hands them out itself."""
    images = services.images
    store = _origin(images.signed_url(ANY_KEY, 60)) if images.signs else ""
    return _answer("index.html", {**POLICY, "img-src": f"{POLICY['img-src']} {store}".strip()})


@router.get("/docs")
async def docs() -> FileResponse:
    """The reference, made of `/openapi.json` in the browser."""
    return _answer("docs.html", POLICY)


def _answer(file: str, policy: dict[str, str]) -> FileResponse:
    said = "; ".join(f"{directive} {allowed}" for directive, allowed in policy.items())
    return FileResponse(WEB / file, headers={**FRESH, "Content-Security-Policy": said})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
