"""`GET /metrics`: what Prometheus scrapes."""

from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.dependencies import Service

router = APIRouter(tags=["system"])


@router.get("/metrics", response_class=Response)
def metrics(
    request: Request,
    services: Service,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Open to this machine, and to all with `METRICS_OPEN`; others send a key."""
    if not (services.settings.metrics_open or _is_local(request)):
        services.keys.owner_of(authorization)
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """Whether the peer, or whom a proxy of this machine speaks for, is this machine."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
