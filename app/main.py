"""The front end, assembled: settings in, an ASGI application out."""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.concurrency import run_in_threadpool

from app import handlers, openapi, tracing
from app.access_log import AccessLog
from app.answer_headers import AnswerHeaders
from app.dependencies import Services
from app.jobs.expiry import Sweeper
from app.limits import BodyLimit
from app.metrics.requests import RequestMetrics
from app.metrics.service import ServiceCollector
from app.request_ids import RequestIds
from app.request_traces import RequestTraces
from app.routes import (
    deliveries,
    events,
    huggingface,
    images,
    inspection,
    jobs,
    metrics,
    page,
    system,
)
from app.routes.a1111 import about, drawing, options, watching
from app.routes.openai import routes as openai
from app.routes.replicate import models, predictions
from app.settings import Settings

TITLE = "Darkroom"
VERSION = "0.1.0"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without settings, those of the environment."""
    settings = settings or Settings()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        tracing.configure("api")
        services = Services.connected(settings)
        app.state.services = services
        figures = services.redis, services.catalogue, services.queues, services.store
        registry.register(ServiceCollector(*figures))
        sweeper = Sweeper(services.images, services.redis, settings.job_ttl_s)
        async with services.feed.reading(), sweeper.sweeping():
            yield
        services.redis.close()
        await run_in_threadpool(tracing.close)

    app = FastAPI(title=TITLE, version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit)
    app.add_middleware(AnswerHeaders)
    if settings.access_log:
        app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)
    app.add_middleware(RequestTraces)
    app.add_middleware(RequestMetrics, registry=registry)
    app.state.registry = registry
    handlers.install(app)
    for routes in (jobs, deliveries, events, images, inspection, system, metrics, page):
        app.include_router(routes.router)
    for routes in (openai, models, predictions, about, drawing, options, watching, huggingface):
        app.include_router(routes.router)
    app.mount("/web", page.Assets(directory=page.WEB))
    openapi.install(app, has_keys=settings.api_keys is not None)
    return app
