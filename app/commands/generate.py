"""`darkroom generate`: a prompt in, files out."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.client import Client, Json
from app.commands.pictures import FORMATS, STDOUT, save, warn
from app.commands.terminal import (
    DEFAULT_URL,
    AsJson,
    Exit,
    Key,
    Url,
    asking,
    fail,
    print_json,
)
from app.commands.watching import hand_in, watch
from app.jobs.spec import MAX_IMAGES, MAX_SEED, OutputFormat, Priority

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="File or folder; `-` is stdout. Else: PROMPT-SEED.png"),
]
Prompt = Annotated[str, typer.Argument(help="What to draw; `-` reads it from stdin.")]
Pixels = Annotated[int | None, typer.Option(min=1, help="Pixels; unset: the model decides.")]
Seed = Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Draws the same again.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, max=150)]
Guidance = Annotated[float | None, typer.Option("--guidance", min=0, max=30)]
Negative = Annotated[str, typer.Option("--negative", help="What it should not show.")]
Images = Annotated[int, typer.Option("-n", "--images", min=1, max=MAX_IMAGES)]
Format = Annotated[
    OutputFormat | None, typer.Option("--format", help="Unset: by OUTPUT's ending, or PNG.")
]
Quality = Annotated[int | None, typer.Option("--quality", min=1, max=100, help="JPEG and WebP.")]
Deadline = Annotated[float | None, typer.Option("--deadline", help="Seconds; later, it fails.")]
Webhook = Annotated[str | None, typer.Option("--webhook", help="URL to tell of the end.")]
Metadata = Annotated[list[str] | None, typer.Option("--metadata", help="KEY=VALUE, echoed.")]
Detach = Annotated[bool, typer.Option("--detach", help="Print the job's id and do not wait.")]


def generate(
    prompt: Prompt,
    output: Output = None,
    images: Images = 1,
    seed: Seed = None,
    model: str | None = None,
    width: Pixels = None,
    height: Pixels = None,
    steps: Steps = None,
    guidance: Guidance = None,
    scheduler: str | None = None,
    negative: Negative = "",
    format: Format = None,
    quality: Quality = None,
    priority: Priority | None = None,
    deadline: Deadline = None,
    webhook: Webhook = None,
    metadata: Metadata = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Draw a prompt, save the pictures. Prints the names of the files.

    Ends with 0 if there are pictures, 1 if the job failed or was canceled, 2 if something asked for
    cannot be, 3 if the service is away. Ctrl-C cancels the job (130).
    """
    wish: dict[str, Any] = {
        "prompt": sys.stdin.read().strip() if prompt == "-" else prompt,
        "negative_prompt": negative or None,
        "model": model,
        "width": width,
        "height": height,
        "num_images": images,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "scheduler": scheduler,
        "seed": seed,
        "output_format": format or _format_of(output),
        "output_quality": quality,
        "priority": priority,
        "deadline_s": deadline,
        "webhook": {"url": webhook} if webhook else None,
        "metadata": _pairs(metadata) if metadata else None,
    }
    if output == STDOUT and (images > 1 or as_json or detach):
        fail("stdout takes one picture and nothing else")
    with asking(url, key) as client:
        _draw(client, _without_gaps(wish), output, detach, as_json)


def _draw(
    client: Client, wish: dict[str, Any], output: Path | None, detach: bool, as_json: bool
) -> None:
    job = hand_in(client, wish)
    if detach:
        print_json(job) if as_json else print(job["id"])
        return
    job = watch(client, job)
    warn(job)
    files = save(client, job, output) if job["status"] == "succeeded" else []
    if as_json:
        print_json({**job, "files": [str(path) for path in files]})
    else:
        for path in files:
            print(path)
    if job["status"] != "succeeded":
        fail(ending(job), Exit.NO_PICTURE)


def ending(job: Json) -> str:
    """Why there is no picture, in one line."""
    reason = f": {job['error']['message']}" if job["error"] else ""
    return f"job {job['id']} {job['status']}{reason}"


def _format_of(output: Path | None) -> str | None:
    """What the file's ending says; a picture is then what its name says it is."""
    return FORMATS.get(output.suffix.lower()) if output else None


def _pairs(metadata: list[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in metadata]
    for name, separator, _ in pairs:
        if not (name and separator):
            fail(f"--metadata: expected KEY=VALUE, found {name!r}")
    return {name: value for name, _, value in pairs}


def _without_gaps(wish: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wish.items() if value is not None}
