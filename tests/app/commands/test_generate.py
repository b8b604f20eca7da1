"""`darkroom generate`: options, files, what it prints, how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.commands.conftest import Darkroom
from tests.app.front_end import FrontEnd, serving
from tests.service import Store, eventually, free_port

EVERY_OPTION = (
    *("--model", "default", "--width", 64, "--height", 72, "-n", 2, "--steps", 9),
    *("--guidance", 3.5, "--scheduler", "euler", "--seed", 5, "--negative", "blue"),
    *("--format", "webp", "--quality", 70, "--priority", "high", "--deadline", 600),
    *("--webhook", "https://example.com/hook", "--metadata", "team=a", "--metadata", "x=1=2"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.usefixtures("drawing")
def test_pictures_are_named_after_prompt_and_seed_and_never_overwritten(
    darkroom: Darkroom, folder: Path
) -> None:
    first = darkroom("generate", "A Red Heart, twice!", "-n", 2, "--seed", 7)
    again = darkroom("generate", "A Red Heart, twice!", "--seed", 7)

    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert first.stdout.split() == ["a-red-heart-twice-7.png", "a-red-heart-twice-8.png"]
    assert again.stdout.split() == ["a-red-heart-twice-7-2.png"]
    assert names(folder) == sorted(first.stdout.split() + again.stdout.split())


@pytest.mark.usefixtures("drawing")
def test_pictures_go_where_they_are_wanted(darkroom: Darkroom, folder: Path) -> None:
    (folder / "all").mkdir()

    assert darkroom("generate", "a", "-o", "new/heart.jpg").exit_code == 0
    assert darkroom("generate", "a", "-n", 2, "-o", "heart.webp").exit_code == 0
    assert darkroom("generate", "ß ☃ é", "--seed", 1, "-o", "all").exit_code == 0
    piped = darkroom("generate", "-", "-o", "-", input="a prompt from\na file\n")

    assert names(folder) == ["heart-0.webp", "heart-1.webp"]
    assert names(folder / "new") == ["heart.jpg"]
    assert names(folder / "all") == ["ß-e-1.png"]
    assert piped.stdout_bytes.endswith(b" 0")


@pytest.mark.usefixtures("drawing")
def test_every_setting_of_the_api_is_an_option(darkroom: Darkroom, folder: Path) -> None:
    ended = darkroom("generate", "a fish", *EVERY_OPTION, "--json")

    job = json.loads(ended.stdout)
    assert job["files"] == ["a-fish-5.webp", "a-fish-6.webp"] == names(folder)
    expected = {
        "prompt": "a fish",
        "negative_prompt": "blue",
        "model": "default",
        "scheduler": "euler",
        "width": 64,
        "height": 72,
        "num_images": 2,
        "num_inference_steps": 9,
        "seed": 5,
        "guidance_scale": 3.5,
        "output_format": "webp",
        "output_quality": 70,
        "priority": "high",
        "deadline_s": 600,
        "metadata": {"team": "a", "x": "1=2"},
    }
    assert {**job["request"], **expected} == job["request"]
    assert job["request"]["webhook"]["url"] == "https://example.com/hook"


def test_detached_it_prints_the_id_alone(darkroom: Darkroom, front_end: FrontEnd) -> None:
    ended = darkroom("generate", "a", "--detach")

    assert front_end.get(ended.stdout.strip())["status"] == "queued"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "-n", "1"), "422: prompt:"),
        (("a", "--width", "65"), "422: width: must be a multiple of 8"),
        (("a", "--scheduler", "none"), "422: scheduler: must be one of: ddim, euler"),
        (("a", "--metadata", "x"), "--metadata: expected KEY=VALUE"),
        (("a", "-n", "2", "-o", "-"), "stdout takes one picture"),
    ],
)
def test_a_refusal_is_one_line(darkroom: Darkroom, arguments: tuple[str], said: str) -> None:
    ended = darkroom("generate", *arguments)

    assert ended.exit_code == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"darkroom: {said}")
    assert ended.stdout == ""


def test_a_wrong_option_is_named(darkroom: Darkroom) -> None:
    ended = darkroom("generate", "a", "--seed", "-3")

    assert ended.exit_code == 2
    assert ended.stderr.splitlines()[-1].startswith("Error: Invalid value for '--seed'")


def test_nobody_there_is_three(darkroom: Darkroom) -> None:
    port = free_port()

    ended = darkroom("generate", "a", "--url", f"http://127.0.0.1:{port}")

    assert ended.exit_code == 3
    assert f"no service answers at http://127.0.0.1:{port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_key_is_asked_for_and_taken(
    store: Store, tmp_path: Path, darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, api_keys="me:0123456789abcdef")
    with serving(settings) as front_end:
        front_end.announce()
        without = darkroom("generate", "a", "--detach", "--url", front_end.url)
        monkeypatch.setenv("DARKROOM_API_KEY", "0123456789abcdef")
        having = darkroom("generate", "a", "--detach", "--url", front_end.url)

    assert (without.exit_code, having.exit_code) == (2, 0)
    assert without.stderr.startswith("darkroom: 401: ")


def test_a_job_that_ends_without_a_picture_is_one_line_and_status_one(
    darkroom: Darkroom, front_end: FrontEnd, folder: Path
) -> None:
    ended = start(front_end, folder, "generate", "a", "--deadline", "1")
    job = eventually(lambda: next(iter(front_end.http.get("/v1/jobs").json()["data"]), None))
    front_end.http.post(f"/v1/jobs/{job['id']}/cancel")

    _, said = ended.communicate(timeout=30)

    assert ended.returncode == 1
    assert said.splitlines() == [f"darkroom: job {job['id']} canceled"]
    assert names(folder) == []


def start(front_end: FrontEnd, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, "DARKROOM_URL": front_end.url},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(60)
def test_a_person_sees_the_queue_and_the_steps_and_ctrl_c_cancels(
    front_end: FrontEnd, folder: Path
) -> None:
    before = front_end.submit()["id"]
    controller, terminal = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "generate", "a red heart"],
        env={**os.environ, "DARKROOM_URL": front_end.url, "TERM": "xterm", "COLUMNS": "100"},
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        # a shell's background job, which these tests may be, has its children ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(terminal)
    seen = Seen(controller)

    seen.until("1 job before it, about 1 s")
    front_end.worker.draw(before)
    seen.until("next in the queue")
    job_id = front_end.http.get("/v1/jobs?status=queued").json()["data"][0]["id"]
    lease = front_end.worker.take(job_id)
    front_end.worker.step(job_id, lease, 7)
    seen.until("step 7 of 20")
    command.send_signal(signal.SIGINT)

    eventually(lambda: front_end.worker.job(job_id).is_cancel_requested)
    assert front_end.services.store.canceled(job_id, lease)
    seen.until(f"job {job_id} canceled")
    assert command.wait(20) == 130
    os.close(controller)


class Seen:
    """What has appeared on a terminal."""

    def __init__(self, controller: int) -> None:
        self._controller = controller
        self.text = ""

    def until(self, words: str) -> None:
        while words not in self.text:
            self.text += os.read(self._controller, 4_096).decode(errors="replace")
