"""The front end, assembled: settings in, an ASGI application out."""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import FastAPI

from app import handlers
from app.answer_headers import AnswerHeaders
from app.dependencies import Services
from app.jobs.expiry import Sweeper
from app.limits import BodyLimit
from app.request_ids import RequestIds
from app.routes import deliveries, events, images, inspection, jobs, page, system
from app.routes.openai import routes as openai
from app.routes.replicate import models, predictions
from app.settings import Settings

TITLE = "Darkroom"
VERSION = "0.1.0"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without settings, those of the environment."""
    settings = settings or Settings()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        services = Services.connected(settings)
        app.state.services = services
        sweeper = Sweeper(services.images, services.redis, settings.job_ttl_s)
        async with services.feed.reading(), sweeper.sweeping():
            yield
        services.redis.close()

    app = FastAPI(title=TITLE, version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(RequestIds)
    handlers.install(app)
    for routes in (jobs, deliveries, events, images, inspection, system, page):
        app.include_router(routes.router)
    for routes in (openai, models, predictions):
        app.include_router(routes.router)
    app.mount("/web", page.Assets(directory=page.WEB))
    return app
