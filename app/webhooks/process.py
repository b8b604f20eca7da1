"""One sending process, assembled: settings in, runs until SIGTERM."""

import asyncio
import logging
import signal

import httpx
from redis import Redis
from redis.exceptions import RedisError

from app import tracing
from app.jobs.connection import connect
from app.jobs.images import ImageStore
from app.links import ImageSigner, url_signer
from app.settings import Settings
from app.webhooks.guard import Guard
from app.webhooks.ledger import Ledger
from app.webhooks.network import GuardedNetwork, system_resolver
from app.webhooks.post import Poster
from app.webhooks.sender import REDIS_WAIT_S, Sender
from app.webhooks.signing import kept_key, kept_secret

log = logging.getLogger(__name__)


async def send(settings: Settings, redis_url: str) -> None:
    """Send webhooks until SIGTERM or SIGINT; waits for a Redis that is not there yet."""
    tracing.configure("webhooks")
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    redis = connect(redis_url)
    signing_keys = settings.webhook_keys or await _kept_keys(redis, stopping)
    sender = assemble(settings, redis, signing_keys)
    sending = asyncio.create_task(sender.run())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({sending, waiting}, return_when=asyncio.FIRST_COMPLETED)
    sender.stop()
    waiting.cancel()
    await sending
    redis.close()
    await asyncio.to_thread(tracing.close)


def assemble(settings: Settings, redis: Redis, signing_keys: list[bytes]) -> Sender:
    """A sender for these settings. SSL_CERT_FILE may name authorities of one's own."""
    guard = Guard(settings.webhook_networks, settings.webhook_hosts)
    images = ImageStore(settings.image_store_url, settings.s3)
    network = GuardedNetwork(guard, system_resolver())
    return Sender(
        ledger=Ledger(redis),
        poster=Poster(network, httpx.create_ssl_context()),
        signer=url_signer(images, ImageSigner(redis, settings.image_url_ttl_s)),
        signing_keys=signing_keys,
        waits_s=settings.webhook_waits_s,
    )


def secrets(settings: Settings, redis_url: str) -> str:
    """What receivers must know to verify: the setting, or what Redis keeps.

    Raises:
        RedisError: No setting names one, and Redis is away.
    """
    if settings.webhook_secret and settings.webhook_keys:
        return settings.webhook_secret.get_secret_value()
    with connect(redis_url) as redis:
        return kept_secret(redis)


async def _kept_keys(redis: Redis, stopping: asyncio.Event) -> list[bytes]:
    while not stopping.is_set():
        try:
            return [await asyncio.to_thread(kept_key, redis)]
        except RedisError as error:
            log.warning("webhooks.wait_for_redis: %s", error)
            await asyncio.sleep(REDIS_WAIT_S)
    return []
