"""`darkroom jobs`: list, show, cancel, fetch; by the beginning of an id too."""

import json
from pathlib import Path

import pytest

from tests.app.commands.conftest import Darkroom
from tests.app.front_end import FrontEnd


def test_it_lists_the_newest_first_with_their_state(
    darkroom: Darkroom, front_end: FrontEnd
) -> None:
    drawn = front_end.submit_and_draw(prompt="a fish\nin two lines")
    waiting = front_end.submit()["id"]

    titles, *lines = darkroom("jobs", "list").stdout.splitlines()

    assert titles.split() == ["ID", "STATUS", "AGE", "STATE", "PROMPT"]
    assert [line.split()[:2] for line in lines] == [
        [waiting[:12], "queued"],
        [drawn[:12], "succeeded"],
    ]
    assert "1 picture in" in lines[1]
    assert lines[1].endswith("a fish in two lines")
    (only,) = json.loads(darkroom("jobs", "list", "--status", "queued", "--json").stdout)
    assert only["id"] == waiting


def test_it_shows_one_with_its_pictures(darkroom: Darkroom, front_end: FrontEnd) -> None:
    job_id = front_end.submit_and_draw(seed=7, negative_prompt="[blue]")

    said = darkroom("jobs", "show", job_id[:8]).stdout

    for words in (job_id, "succeeded", "[blue]", "seed 7", f"/images/{job_id}/0.png?"):
        assert words in said
    whole = json.loads(darkroom("jobs", "show", job_id, "--json").stdout)
    assert whole["id"] == job_id


def test_it_cancels_several(darkroom: Darkroom, front_end: FrontEnd) -> None:
    first, second = front_end.submit()["id"], front_end.submit()["id"]

    said = darkroom("jobs", "cancel", first, second[:10]).stdout

    assert said.split() == [first[:12], "canceled", second[:12], "canceled"]


def test_it_fetches_pictures_later(
    darkroom: Darkroom, front_end: FrontEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job_id = front_end.submit_and_draw(num_images=2, seed=7)

    said = darkroom("jobs", "fetch", job_id).stdout

    assert said.split() == ["a-red-heart-7.png", "a-red-heart-8.png"]
    assert (tmp_path / "a-red-heart-8.png").read_bytes() == f"{job_id} 1".encode()
    waiting = front_end.submit()["id"]
    early = darkroom("jobs", "fetch", waiting)
    assert early.exit_code == 1
    assert early.stderr == f"darkroom: job {waiting} queued\n"


def test_an_id_that_is_none_is_one_line(darkroom: Darkroom, front_end: FrontEnd) -> None:
    front_end.submit()
    front_end.submit()

    unknown = darkroom("jobs", "show", "zz")
    ambiguous = darkroom("jobs", "show", "")
    gone = darkroom("jobs", "show", "0" * 32)

    assert [ended.exit_code for ended in (unknown, ambiguous, gone)] == [2, 2, 2]
    assert unknown.stderr == "darkroom: no job of your newest 100 begin with 'zz'\n"
    assert ambiguous.stderr == "darkroom: 2 jobs of your newest 100 begin with ''\n"
    assert gone.stderr.startswith("darkroom: 404: There is no job")
