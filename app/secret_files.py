"""The secrets of a deployment, as files: `python -m app.secret_files FOLDER` makes what is missing.

Never writes over one, so it may run before every start. The folder is for its containers alone;
they read the files under different user ids, which is why everybody inside may.
"""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from app.webhooks.signing import new_secret

FILES: dict[str, Callable[[Path], str]] = {
    "redis_password": lambda folder: secrets.token_urlsafe(32),
    "webhook_secret": lambda folder: new_secret(),
    "s3_secret_key": lambda folder: secrets.token_urlsafe(32),
    "prometheus_key": lambda folder: secrets.token_urlsafe(32),
    "api_keys": lambda folder: (
        f"first:{secrets.token_urlsafe(32)}\n"
        f"prometheus:{(folder / 'prometheus_key').read_text(encoding='utf-8')}\n"
    ),
}
HINT = """\
An API key was made for you, of the name `first`. To read it:
    docker compose exec api cat /run/secrets/api_keys
To send it: `Authorization: Bearer ` and what stands after `first:`."""


def main(folder: Path) -> str | None:
    """Make and tell; what is wrong, if a file can neither be made nor read."""
    try:
        made = make_missing(folder)
    except OSError as error:
        return f"secrets: {error.filename}: {error.strerror}"
    for name in made:
        print(f"secrets: made {name}")
    if "api_keys" in made:
        print(HINT)
    return None


def make_missing(folder: Path) -> list[str]:
    """Write the secrets that are not there; their names.

    Raises:
        OSError: A file can neither be made nor read.
    """
    return [name for name, make in FILES.items() if _make(folder, name, make)]


def _make(folder: Path, name: str, make: Callable[[Path], str]) -> bool:
    file = folder / name
    if file.exists():
        file.read_bytes()  # better said here than by each of its readers
        return False
    part = file.with_name(f".{file.name}")
    part.write_text(make(folder), encoding="utf-8")
    part.chmod(0o444)
    os.replace(part, file)  # whole or not at all
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
