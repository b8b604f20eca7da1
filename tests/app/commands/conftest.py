"""The command line in this process, against the front end, with a hand that draws what comes in."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import app
from tests.app.front_end import FrontEnd

Darkroom = Callable[..., Result]


@pytest.fixture
def darkroom(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> Darkroom:
    """`darkroom ARGUMENTS...` at the front end; what it printed and how it ended."""
    monkeypatch.setenv("DARKROOM_URL", front_end.url)
    runner = CliRunner()
    return lambda *arguments, **options: runner.invoke(app, list(map(str, arguments)), **options)


@pytest.fixture
def drawing(front_end: FrontEnd) -> Iterator[None]:
    """Every job that comes in is drawn at once."""
    is_over = threading.Event()

    def draw() -> None:
        while not is_over.is_set():
            for job in front_end.http.get("/v1/jobs?status=queued").json()["data"]:
                front_end.worker.draw(job["id"])
            time.sleep(0.02)

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    is_over.set()
    thread.join()
