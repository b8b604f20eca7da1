"""What every command says and how: one line for an error, a status that scripts can read.

Pictures and data go to stdout, everything for a person's eyes to stderr.
"""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from app.client import Client, RequestFailed

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(envvar="DARKROOM_URL", help="The service to ask.")]
Key = Annotated[str | None, typer.Option(envvar="DARKROOM_API_KEY", help="Key of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the service answers it.")]

console = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """How a command ended. Ctrl-C is 130, as everywhere."""

    OK = 0
    NO_PICTURE = 1  # the job failed or was canceled
    REFUSED = 2  # wrong options, or the service will not do it
    AWAY = 3  # nobody answers, or cannot now
    INTERRUPTED = 130


def fail(reason: str, code: Exit = Exit.REFUSED) -> NoReturn:
    """End the command with one line that says why."""
    console.print(f"[red]darkroom:[/red] {escape(' '.join(reason.split()))}", soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def asking(url: str, key: str | None) -> Generator[Client]:
    """A client whose failures end the command; what may work later has a status of its own."""
    try:
        with closing(Client(url, key)) as client:
            yield client
    except RequestFailed as error:
        is_temporary = error.status is None or error.status >= 500 or error.retry_after_s
        fail(str(error), Exit.AWAY if is_temporary else Exit.REFUSED)
    except BrokenPipeError:
        raise  # whoever read our output has enough; click ends quietly
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}")


def tell(text: str) -> None:
    """One line for the person at the terminal."""
    console.print(text, soft_wrap=True)


def print_json(data: Any) -> None:
    json.dump(data, sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they must be; nothing is cut, so that `grep` and `awk` find it."""
    lines = [[str(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def shortened(text: str, width: int = 60) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
