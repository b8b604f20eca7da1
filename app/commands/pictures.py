"""Where pictures are put: names that say what they show, and nothing written over unasked."""

import re
import sys
import unicodedata
from itertools import count
from pathlib import Path

from app.client import Client, Json
from app.commands.terminal import console, tell

STDOUT = Path("-")
MAX_SLUG = 48
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def save(client: Client, job: Json, output: Path | None) -> list[Path]:
    """Write every picture of a job that succeeded; says where, and prints the files' names."""
    paths: list[Path] = []
    for image in job["images"]:
        data = client.fetch(image["url"])
        if output == STDOUT:
            sys.stdout.buffer.write(data)
            continue
        path = place(output, job, image)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
        took = f"{job['metrics']['total_s']:.2f} s"
        tell(f"[dim]seed {image['seed']}, {took}, {image['url']}[/dim]")
    return paths


def place(output: Path | None, job: Json, image: Json) -> Path:
    """The file of one picture: as asked for, or named after its prompt and seed."""
    suffix = image["content_type"].partition("/")[2]
    if output is None or output.is_dir():
        name = f"{slug(job['request']['prompt'])}-{image['seed']}.{suffix}"
        return _free((output or Path()) / name)
    if job["request"]["num_images"] == 1:
        return output
    return output.with_stem(f"{output.stem}-{image['index']}")


def slug(prompt: str) -> str:
    """The words of a prompt as they may stand in a file's name, in any script."""
    plain = unicodedata.normalize("NFKD", prompt).lower()
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "-", kept)[:MAX_SLUG].strip("-") or "picture"


def warn(job: Json) -> None:
    for warning in job["warnings"]:
        console.print(f"[yellow]{warning}[/yellow]", soft_wrap=True, markup=True)


def _free(path: Path) -> Path:
    if not path.exists():
        return path
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in names if not name.exists())
