"""What a route may ask for: the services of this process, typed, and who is asking."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Header, Request
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.auth import KeyRing
from app.deny import DenyList
from app.jobs.admission import Door
from app.jobs.catalogue import Catalogue
from app.jobs.connection import connect, connect_async
from app.jobs.events import EventFeed
from app.jobs.images import ImageStore
from app.jobs.previews import Previews
from app.jobs.queues import JobQueues
from app.jobs.quota import REQUESTS, WORK, Quota
from app.jobs.store import JobStore
from app.links import ImageSigner, Links, UrlSigner, url_signer
from app.settings import Settings

ANSWER_TIMEOUT_S = 2.0  # clients hear within three seconds that the store is away


@dataclass(frozen=True)
class Services:
    """Everything the routes use, made once a process."""

    settings: Settings
    keys: KeyRing
    deny: DenyList
    redis: Redis
    stream_redis: AsyncRedis
    queues: JobQueues
    door: Door
    store: JobStore
    catalogue: Catalogue
    images: ImageStore
    previews: Previews
    feed: EventFeed
    signer: ImageSigner
    url_signer: UrlSigner

    @classmethod
    def connected(cls, settings: Settings) -> "Services":
        """Wire them to the Redis of the settings. Connects lazily: Redis may be away."""
        if settings.redis_url is None:
            raise ValueError("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
        redis = connect(settings.redis_url, ANSWER_TIMEOUT_S)
        stream_redis = connect_async(settings.redis_url)
        queues = JobQueues(redis)
        images = ImageStore(settings.image_store_url, settings.s3)
        signer = ImageSigner(redis, settings.image_url_ttl_s)
        return cls(
            settings=settings,
            keys=KeyRing(settings.api_keys),
            deny=DenyList(settings.prompt_deny),
            redis=redis,
            stream_redis=stream_redis,
            queues=queues,
            door=Door(
                redis,
                queues,
                settings.max_queue,
                settings.max_jobs_per_key,
                [
                    *Quota.parse(REQUESTS, settings.rate_limit_requests),
                    *Quota.parse(WORK, settings.rate_limit_megapixel_steps),
                ],
            ),
            store=JobStore(redis, queues, settings.job_ttl_s),
            catalogue=Catalogue(redis),
            images=images,
            previews=Previews(redis),
            feed=EventFeed(stream_redis),
            signer=signer,
            url_signer=url_signer(images, signer),
        )

    def links(self, request: Request) -> Links:
        """URLs below the public address, or below the one this request came to."""
        return Links(self.settings.public_url or str(request.base_url), self.url_signer)


# Coroutines, though they await nothing: FastAPI would send plain functions through its threads.


async def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def owner(
    found: Annotated[Services, Depends(services)],
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> str:
    return found.keys.owner_of(authorization)


async def links(request: Request, found: Annotated[Services, Depends(services)]) -> Links:
    return found.links(request)


Service = Annotated[Services, Depends(services)]
Owner = Annotated[str, Depends(owner)]
RequestLinks = Annotated[Links, Depends(links)]
