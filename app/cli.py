"""`darkroom`: the service and a client of it, on the command line."""

import asyncio
import ipaddress
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer
import uvicorn
from pydantic import ValidationError
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.auth import KeyRing
from app.client import Client, RequestFailed
from app.embedded import StoreFailed, socket_path
from app.lifeline import end_with_supervisor
from app.settings import Settings
from app.stack import REFUSED, PartFailed, Stack

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console(stderr=True)

SWITCH_S = 0.0005  # a status read is shorter than Python's 5 ms turns between threads
SHUTDOWN_S = 3  # open event streams are closed after so long; clients resume elsewhere
DEFAULT_URL = "http://127.0.0.1:8000"

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535)]
Url = Annotated[str, typer.Option(envvar="DARKROOM_URL", help="The service to ask.")]
Key = Annotated[str | None, typer.Option(envvar="DARKROOM_API_KEY", help="Key of the service.")]


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Pictures and the embedded store.")] = None,
    sample: Annotated[str | None, typer.Option(help="A first prompt, drawn when ready.")] = None,
    key: Key = None,
) -> None:
    """Start the whole service; without DARKROOM_REDIS_URL on an embedded store."""
    settings = _settings()
    if data_dir:
        settings = settings.model_copy(update={"data_dir": data_dir})
    _refuse_unless_bindable(settings, host, port)
    stack = Stack(settings, host, port, workers)

    def when_ready() -> None:
        if sample:
            try:
                _draw(Client(stack.url, key), {"prompt": sample}, settings.data_dir / "sample.png")
            except RequestFailed as error:
                console.print(f"[red]the sample was not drawn:[/red] {error}", highlight=False)
        console.print(f"[bold]Darkroom serves at {stack.url}[/bold] - Ctrl-C stops it")

    try:
        stack.run(when_ready)
    except (PartFailed, StoreFailed) as error:
        _fail(str(error))


@app.command()
def generate(
    prompt: str,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    url: Url = DEFAULT_URL,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=150)] = None,
    guidance: Annotated[float | None, typer.Option(min=0, max=30)] = None,
    scheduler: str | None = None,
    negative: Annotated[str, typer.Option(help="What the picture should not show.")] = "",
    images: Annotated[int, typer.Option("-n", "--images", min=1, max=8)] = 1,
    key: Key = None,
) -> None:
    """Draw a prompt and save the picture."""
    wish: dict[str, Any] = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": seed,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "scheduler": scheduler,
        "num_images": images,
    }
    try:
        _draw(Client(url, key), wish, output)
    except RequestFailed as error:
        _fail(str(error))


@app.command()
def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve HTTP alone, on the Redis of DARKROOM_REDIS_URL."""
    settings = _settings()
    end_with_supervisor()
    if settings.redis_url is None:
        _fail("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
    _refuse_unless_bindable(settings, host, port)
    sys.setswitchinterval(SWITCH_S)
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        log_level=settings.log_level.lower(),
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


@app.command()
def webhooks(
    secret: Annotated[bool, typer.Option("--secret", help="Print the secret and end.")] = False,
) -> None:
    """Send webhooks, on the Redis of DARKROOM_REDIS_URL."""
    settings = _settings()
    end_with_supervisor()
    from app.webhooks import process  # httpcore and its like: nothing that other commands need

    if secret:
        embedded = f"unix://{quote(str(socket_path(settings.data_dir.resolve())))}"
        try:
            print(process.secrets(settings, settings.redis_url or embedded))
        except RedisError as error:
            _fail(f"the store cannot be asked for the secret: {error}")
        return
    if settings.redis_url is None:
        _fail("DARKROOM_REDIS_URL is not set; `darkroom up` starts a store itself")
    asyncio.run(process.send(settings, settings.redis_url))


@app.command()
def worker() -> None:
    """Draw pictures, on the Redis of DARKROOM_REDIS_URL."""
    os.execv(sys.executable, [sys.executable, "-m", "worker"])  # noqa: S606 - app imports no torch


def _draw(client: Client, wish: dict[str, Any], output: Path | None) -> None:
    """Submit, show progress, save every picture; prints each file and URL."""
    job = client.submit({name: value for name, value in wish.items() if value is not None})
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("waiting", total=1.0)
        for event in client.events(job["id"]):
            if event.type == "progress":
                step, total = event.data["step"], event.data["total_steps"]
                progress.update(task, description=f"step {step} of {total}")
                progress.update(task, completed=event.data["fraction"])
    job = client.job(job["id"])
    if job["status"] != "succeeded":
        reason = job["error"]["message"] if job["error"] else "no picture"
        raise RequestFailed(f"job {job['id']} {job['status']}: {reason}")
    for warning in job["warnings"]:
        console.print(f"[yellow]{warning}[/yellow]", highlight=False)
    for image in job["images"]:
        path = _path(output, job["id"], image["index"], image["content_type"])
        path.write_bytes(client.fetch(image["url"]))
        console.print(f"{path}  [dim]seed {image['seed']}, {job['metrics']['total_s']:.2f} s[/dim]")
        print(image["url"])
    client.close()


def _path(output: Path | None, job_id: str, index: int, content_type: str) -> Path:
    suffix = content_type.partition("/")[2]
    if output is None:
        return Path(f"darkroom-{job_id[:8]}-{index}.{suffix}")
    return output if index == 0 else output.with_stem(f"{output.stem}-{index}")


def _settings() -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        _fail(
            "; ".join(f"DARKROOM_{e['loc'][0]}".upper() + f": {e['msg']}" for e in error.errors())
        )
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return settings


def _refuse_unless_bindable(settings: Settings, host: str, port: int) -> None:
    """End with the cause if the address is taken, or public without keys."""
    try:
        is_open = KeyRing(settings.api_keys).is_open
    except ValueError as error:
        _fail(f"DARKROOM_API_KEYS: {error}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            address = probe.getsockname()[0]
        except OSError as error:
            _fail(f"cannot listen on {host}:{port}: {error.strerror or error}")
    if is_open and not ipaddress.ip_address(address).is_loopback:
        _fail(f"{host} is not a loopback address: set DARKROOM_API_KEYS, or anyone gets in")


def _fail(reason: str) -> NoReturn:
    console.print(f"[red]darkroom:[/red] {reason}", highlight=False)
    raise typer.Exit(REFUSED)


def main() -> None:
    """Entry point of the `darkroom` command."""
    app()


if __name__ == "__main__":
    main()
