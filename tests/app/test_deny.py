"""The operator's list of phrases, and the refusal that names the field."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.deny import DenyList
from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving
from tests.service import Store


@pytest.mark.parametrize(
    "prompt",
    ["a gore scene", "GORE", "\uff47\uff4f\uff52\uff45", "gore!", "a  Bloody\n scene", "Straße 5"],
)
def test_a_listed_phrase_is_found_in_any_spelling(prompt: str) -> None:
    assert DenyList("gore, bloody scene,STRASSE").forbids(prompt)


@pytest.mark.parametrize("prompt", ["a gorean sunset", "bloody good scene", "", "a red heart"])
def test_other_words_pass(prompt: str) -> None:
    assert not DenyList("gore,bloody scene").forbids(prompt)


@pytest.mark.parametrize("setting", [None, "", " , "])
def test_without_a_list_everything_passes(setting: str | None) -> None:
    assert not DenyList(setting).forbids("anything")


def test_a_file_holds_one_phrase_a_line(tmp_path: Path) -> None:
    file = tmp_path / "deny"
    file.write_text("# ours\n\na.b (c)\n")

    found = DenyList(f"@{file}")

    assert found.forbids("an a.b (c)")
    assert not found.forbids("an axb c")
    assert not found.forbids("# ours")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        DenyList(f"@{tmp_path}/nowhere")


@pytest.fixture
def guarded(store: Store, tmp_path: Path) -> Iterator[FrontEnd]:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, prompt_deny="gore")
    with serving(settings) as front_end:
        front_end.announce()
        yield front_end


def test_a_prompt_on_the_list_is_refused_and_not_repeated(guarded: FrontEnd) -> None:
    answer = guarded.post(prompt="a lot of gore")

    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == ["prompt"]
    assert "gore" not in answer.text
    assert guarded.services.queues.waiting(["default"]) == 0
    assert guarded.post().status_code == 202
