"""All that was done and seen from outside, as plain frozen records with times.

Times are seconds since 1970, since jobs carry wall-clock times too. Nothing here judges.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

TERMINAL = ("succeeded", "failed", "canceled")

Json = dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """A submission was answered with a job. `ask`: the client's own name of the submission."""

    at: float
    ask: str
    job: str


@dataclass(frozen=True)
class Seen:
    """A job as some answer showed it; `result`: all of its end that a client can see."""

    began: float
    at: float
    job: str
    status: str
    result: str
    via: str


@dataclass(frozen=True)
class Streamed:
    """One server-sent event. `follower` numbers the reader, who reconnects after its last id."""

    at: float
    follower: int
    job: str
    event_id: str
    type: str


@dataclass(frozen=True)
class Told:
    """One delivery of a webhook. `answered`: 0 if the receiver hung up instead."""

    at: float
    message: str
    job: str
    type: str
    result: str
    is_signed: bool
    answered: int


@dataclass(frozen=True)
class Ended:
    """A job as it was found when all was over. `status` is empty if it was not found."""

    at: float
    job: str
    ask: str
    status: str
    result: str
    finished_at: float
    attempts: int
    wanted: list[str]
    stream: list[list[str]]
    deliveries: list[list[str]]
    bad_pictures: list[str]
    error: str = ""


@dataclass(frozen=True)
class Struck:
    """A fault, from its beginning to its end."""

    at: float
    until: float
    deed: str
    target: str
    is_alone: bool


@dataclass(frozen=True)
class Wrong:
    """An answer that no client should ever get, or a part that ended by itself."""

    at: float
    what: str


@dataclass(frozen=True)
class Left:
    """Something in Redis that nobody will ever remove."""

    key: str


Entry = Accepted | Seen | Streamed | Told | Ended | Struck | Wrong | Left
Kind = TypeVar("Kind")


@dataclass
class History:
    """Entries in the order in which they were added, by any thread."""

    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [entry for entry in list(self.entries) if isinstance(entry, kind)]

    def write(self, path: Path) -> None:
        """One JSON object a line, for whoever wants to know what happened."""
        lines = (json.dumps({"kind": type(e).__name__, **asdict(e)}) for e in self.entries)
        path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> History:
    """A history as `History.write` left it."""
    kinds = {kind.__name__: kind for kind in get_args(Entry)}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return History([kinds[line.pop("kind")](**line) for line in lines])


def result_of(job: Json) -> str:
    """What a client may rely on once a job has ended; empty before."""
    if job["status"] not in TERMINAL:
        return ""
    pictures = [[image["index"], image["seed"], image["sha256"]] for image in job["images"]]
    return json.dumps([job["status"], job["finished_at"], job["error"], sorted(pictures)])


def by_job(entries: Iterable[Kind]) -> dict[str, list[Kind]]:
    grouped = dict[str, list[Kind]]()
    for entry in entries:
        grouped.setdefault(entry.job, []).append(entry)  # type: ignore[attr-defined]
    return grouped
