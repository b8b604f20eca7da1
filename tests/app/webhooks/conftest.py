"""Jobs with webhooks, and senders in this process, of which several may run."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from app.dependencies import Services
from app.jobs.connection import connect
from app.jobs.job import Job
from app.jobs.webhook import ENDINGS, Webhook, receiver_of
from app.links import ImageSigner
from app.settings import webhook_key
from app.webhooks.guard import Guard
from app.webhooks.ledger import Ledger
from app.webhooks.network import GuardedNetwork, system_resolver
from app.webhooks.post import Poster
from app.webhooks.sender import Sender
from tests.app.front_end import make_job
from tests.app.webhooks.receiver import SECRET
from tests.service import Store

Submit = Callable[..., Job]


@pytest.fixture
def ledger(services: Services) -> Ledger:
    return Ledger(services.redis)


@pytest.fixture
def submit(services: Services) -> Submit:
    """Queue a job that tells a URL of its life."""

    def submit(url: str, **wish: Any) -> Job:
        wish = {"events": list(ENDINGS), "base_url": "http://public.example", "keep_s": 600, **wish}
        webhook = Webhook(url=url, receiver=receiver_of(url), **wish)
        job = make_job().model_copy(update={"webhook": webhook})
        services.door.admit(job, None, ["default"])
        return job

    return submit


def make_sender(store: Store, *secrets: str, **changes: Any) -> Sender:
    redis = connect(store.url)
    network = GuardedNetwork(Guard([ip_network("127.0.0.0/8")]), system_resolver())
    return Sender(
        **{
            "ledger": Ledger(redis),
            "poster": Poster(network, ssl.create_default_context()),
            "signer": ImageSigner(redis, 3_600),
            "signing_keys": [webhook_key(secret) for secret in secrets or (SECRET,)],
            "waits_s": [0.2, 0.4],
            "drain_s": 0.5,
            **changes,
        }
    )


@contextmanager
def sending(sender: Sender) -> Iterator[Sender]:
    """The sender at work in a thread of its own."""
    ready, loops = threading.Event(), list[asyncio.AbstractEventLoop]()

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()
        await sender.run()

    thread = threading.Thread(target=asyncio.run, args=[run()], daemon=True)
    thread.start()
    ready.wait()
    try:
        yield sender
    finally:
        loops[0].call_soon_threadsafe(sender.stop)
        thread.join()
