"""`darkroom up`, `api`, `worker`, `webhooks`: the service, whole or in parts."""

import asyncio
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
import uvicorn
from pydantic import ValidationError
from redis.exceptions import RedisError

from app import logs
from app.auth import KeyRing
from app.client import Client, RequestFailed
from app.commands.generate import ending
from app.commands.pictures import save
from app.commands.terminal import Key, fail, tell
from app.commands.watching import hand_in, watch
from app.connections import BoundedProtocol, allow_many_files
from app.deny import DenyList
from app.embedded import StoreFailed, socket_path
from app.lifeline import end_with_supervisor
from app.settings import Settings
from app.stack import PartFailed, Stack
from app.turns import take_short_turns

SHUTDOWN_S = 3  # open event streams are closed after so long; clients resume elsewhere

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535)]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Pictures and the embedded store.")] = None,
    sample: Annotated[str | None, typer.Option(help="A first prompt, drawn when ready.")] = None,
    key: Key = None,
) -> None:
    """Start the whole service. Without DARKROOM_REDIS_URL on an embedded store."""
    settings = _settings("up")
    if data_dir:
        settings = settings.model_copy(update={"data_dir": data_dir})
    _refuse_unless_bindable(settings, host, port)
    stack = Stack(settings, host, port, workers)

    def when_ready() -> None:
        if sample:
            _draw_sample(Client(stack.url, key), sample, settings.data_dir / "sample.png")
        tell(f"[bold]Darkroom serves at {stack.url}[/bold] - Ctrl-C stops it")

    try:
        stack.run(when_ready)
    except (PartFailed, StoreFailed) as error:
        fail(str(error))


def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve HTTP alone. On the Redis of DARKROOM_REDIS_URL."""
    settings = _settings("api")
    end_with_supervisor()
    if settings.redis_url is None:
        fail("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
    _refuse_unless_bindable(settings, host, port)
    take_short_turns()
    allow_many_files()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        http=BoundedProtocol,
        host=host,
        port=port,
        log_config=None,  # ours, as for all else
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def webhooks(
    secret: Annotated[bool, typer.Option("--secret", help="Print the secret and end.")] = False,
) -> None:
    """Send webhooks alone. On the Redis of DARKROOM_REDIS_URL."""
    settings = _settings("webhooks")
    end_with_supervisor()
    from app.webhooks import process  # httpcore and its like: nothing that other commands need

    if secret:
        embedded = f"unix://{quote(str(socket_path(settings.data_dir.resolve())))}"
        try:
            print(process.secrets(settings, settings.redis_url or embedded))
        except RedisError as error:
            fail(f"the store cannot be asked for the secret: {error}")
        return
    if settings.redis_url is None:
        fail("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
    asyncio.run(process.send(settings, settings.redis_url))


def worker() -> None:
    """Draw pictures alone. On the Redis of DARKROOM_REDIS_URL."""
    os.execv(sys.executable, [sys.executable, "-m", "worker"])  # noqa: S606 - app imports no torch


def _draw_sample(client: Client, prompt: str, file: Path) -> None:
    try:
        job = watch(client, hand_in(client, {"prompt": prompt}))
        for path in save(client, job, file):
            print(path, job["images"][0]["url"])
        if job["status"] != "succeeded":
            tell(f"[red]the sample was not drawn:[/red] {ending(job)}")
    except RequestFailed as error:
        tell(f"[red]the sample was not drawn:[/red] {error}")
    client.close()


def _settings(part: str) -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        fail("; ".join(f"DARKROOM_{e['loc'][0]}".upper() + f": {e['msg']}" for e in error.errors()))
    logs.configure(part, settings.log_level, settings.log_format)
    return settings


def _refuse_unless_bindable(settings: Settings, host: str, port: int) -> None:
    """End with the cause if the address is taken, or public without keys."""
    try:
        is_open = KeyRing(settings.api_keys).is_open
    except ValueError as error:
        fail(f"DARKROOM_API_KEYS: {error}")
    try:
        DenyList(settings.prompt_deny)
    except ValueError as error:
        fail(str(error))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            address = probe.getsockname()[0]
        except OSError as error:
            fail(f"cannot listen on {host}:{port}: {error.strerror or error}")
    if is_open and not ipaddress.ip_address(address).is_loopback:
        fail(f"{host} is not a loopback address: set DARKROOM_API_KEYS, or anyone gets in")
