"""The judge finds what is wrong, and finds nothing where nothing is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.figures import felt, table
from tests.faults.history import (
    Accepted,
    Ended,
    Entry,
    History,
    Left,
    Seen,
    Streamed,
    Struck,
    Told,
    Wrong,
    read,
)

DONE = json.dumps(["succeeded", "12:00", None, [[0, 7, "abc"]]])
OTHER = json.dumps(["succeeded", "12:00", None, [[0, 7, "abd"]]])
UNTOLD = "webhook missing or wrong"
STREAM = [["1-0", "queued"], ["2-0", "processing"], ["3-0", "succeeded"]]
GOOD: list[Entry] = [
    Accepted(1.0, "ask-a", "a"),
    Accepted(1.2, "ask-a", "a"),  # the same submission, sent again
    Seen(1.0, 1.1, "a", "queued", "", "submit"),
    Struck(1.5, 2.5, "kill -9", "worker-1", True),
    Seen(1.9, 2.0, "a", "processing", "", "poll"),
    Seen(2.9, 3.1, "a", "processing", "", "poll"),  # asked before the end was seen
    Seen(2.9, 3.0, "a", "succeeded", DONE, "stream"),
    *(Streamed(3.0, 1, "a", event_id, kind) for event_id, kind in STREAM),
    Streamed(2.0, 2, "a", "1-0", "queued"),  # a reader that went away
    Told(3.1, "a-processing", "a", "job.processing", "", True, 204),
    Told(3.2, "a-succeeded", "a", "job.succeeded", DONE, True, 500),
    Told(3.4, "a-succeeded", "a", "job.succeeded", DONE, True, 204),
    Ended(
        at=9.0,
        job="a",
        ask="ask-a",
        status="succeeded",
        result=DONE,
        finished_at=3.0,
        attempts=2,
        wanted=["job.processing", "job.succeeded", "job.failed"],
        stream=STREAM,
        deliveries=[["a-processing", "delivered"], ["a-succeeded", "delivered"]],
        bad_pictures=[],
    ),
]


def broken(*entries: Entry) -> set[str]:
    return {violation.rule for violation in check(History([*GOOD, *entries]))}


def changed(kind: type, change: Callable[[Any], Any]) -> set[str]:
    """The rules broken by a history whose last entry of the kind is another, or missing."""
    entries = list(GOOD)
    place = max(i for i, entry in enumerate(entries) if isinstance(entry, kind))
    other = change(entries[place])
    entries[place : place + 1] = [other] if other else []
    return {violation.rule for violation in check(History(entries))}


def test_a_good_history_is_found_good() -> None:
    assert broken() == set()


def test_a_history_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    history = History(list(GOOD))
    history.write(tmp_path / "history.jsonl")

    assert read(tmp_path / "history.jsonl") == history


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([Accepted(1.0, "ask-b", "b")], "job lost"),
        ([Accepted(1.3, "ask-a", "b")], "two visible results"),
        ([Seen(4.0, 4.1, "a", "succeeded", OTHER, "poll")], "two visible results"),
        ([Told(4.0, "a-succeeded", "a", "job.succeeded", OTHER, True, 204)], "two visible results"),
        ([Seen(4.0, 4.1, "a", "processing", "", "poll")], "status went back"),
        ([Seen(2.1, 2.2, "a", "queued", "", "poll")], "status went back"),
        ([Told(4.0, "a-succeeded", "a", "job.succeeded", DONE, False, 204)], UNTOLD),
        ([Told(4.0, "a-failed", "a", "job.failed", DONE, True, 204)], UNTOLD),
        ([Told(4.0, "x", "a", "job.succeeded", DONE, True, 204)], UNTOLD),
        ([Told(4.0, "b-failed", "b", "job.failed", "", True, 204)], UNTOLD),
        ([Streamed(4.0, 1, "a", "3-0", "succeeded")], "stream broken"),
        ([Streamed(4.0, 3, "a", "2-0", "processing")], "stream broken"),
        ([Left("darkroom:job:a")], "left over in Redis"),
        ([Wrong(4.0, "GET /: 500")], "wrong answer"),
    ],
)
def test_a_planted_entry_is_found(entries: list[Entry], rule: str) -> None:
    assert rule in broken(*entries)


@pytest.mark.parametrize(
    ("kind", "change", "rule"),
    [
        (Ended, lambda end: replace(end, status="processing", result=""), "job lost"),
        (Ended, lambda end: replace(end, error="worker_lost"), "job lost"),
        (Ended, lambda end: replace(end, status="", result=""), "job lost"),
        (Ended, lambda end: replace(end, bad_pictures=["0 answers 404"]), "two visible results"),
        (
            Ended,
            lambda end: replace(end, deliveries=[["m", "pending"]]),
            UNTOLD,
        ),
        (Ended, lambda end: replace(end, stream=[*STREAM[:2], ["4-0", "failed"]]), "stream broken"),
        (Ended, lambda end: replace(end, stream=[*STREAM, ["4-0", "failed"]]), "stream broken"),
        (Told, lambda told: None, UNTOLD),
        (Told, lambda told: replace(told, answered=0), UNTOLD),
    ],
)
def test_a_changed_entry_is_found(kind: type, change: Callable[[Any], Any], rule: str) -> None:
    assert rule in changed(kind, change)


def test_every_rule_was_broken_by_a_plant_above() -> None:
    planted = {
        *broken(Accepted(1.0, "ask-b", "b"), Accepted(1.3, "ask-a", "c"), Left("k"), Wrong(1, "w")),
        *broken(Seen(4.0, 4.1, "a", "queued", "", "poll"), Streamed(4.0, 1, "a", "9-0", "queued")),
        *changed(Told, lambda told: None),
    }

    assert len(planted) == 7


def test_how_long_a_fault_was_felt() -> None:
    history = History(list(GOOD))

    ((kind, (figures,)),) = felt(history).items()

    assert kind == "kill -9 worker"
    assert figures == (pytest.approx(0.5), pytest.approx(1.9))
    assert table([history]).splitlines()[-1] == "| kill -9 worker | 1 | 0.50, 0.50 | 1.90, 1.90 |"
