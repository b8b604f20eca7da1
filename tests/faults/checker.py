"""The judge: reads a history and names every promise that it breaks. Pure; knows no service."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.history import (
    TERMINAL,
    Accepted,
    Ended,
    History,
    Left,
    Seen,
    Streamed,
    Told,
    Wrong,
    by_job,
)

ORDER = {"queued": 0, "processing": 1, **dict.fromkeys(TERMINAL, 2)}
MAX_ATTEMPTS = 4


@dataclass(frozen=True)
class Violation:
    """A broken promise: which one, by what."""

    rule: str
    detail: str


def check(history: History) -> list[Violation]:
    """Every violation; none means that all promises were kept."""
    return [Violation(rule, detail) for rule, find in RULES.items() for detail in find(history)]


def lost(history: History) -> Iterator[str]:
    """Accepted jobs that did not end, or that nobody knows any more."""
    ends = {end.job: end for end in history.of(Ended)}
    for job in {entry.job for entry in history.of(Accepted)} - ends.keys():
        yield f"{job}: accepted, and not among the jobs at the end"
    for end in ends.values():
        if end.status not in TERMINAL:
            yield f"{end.job}: {end.status or 'not found'} at the end"
        if "worker_lost" in end.error and end.attempts < MAX_ATTEMPTS:
            yield f"{end.job}: given up after {end.attempts} attempts"


def doubled(history: History) -> Iterator[str]:
    """Two jobs of one submission, or two results of one job."""
    jobs = dict[str, set[str]]()
    for entry in [*history.of(Accepted), *history.of(Ended)]:
        jobs.setdefault(entry.ask, set()).add(entry.job)
    for ask, found in jobs.items():
        if len(found) > 1:
            yield f"submission {ask}: jobs {sorted(found)}"
    results = dict[str, set[str]]()
    for entry in [*history.of(Seen), *history.of(Told), *history.of(Ended)]:
        if entry.result:
            results.setdefault(entry.job, set()).add(entry.result)
    for job, found in results.items():
        if len(found) > 1:
            yield f"{job}: results {sorted(found)}"
    for end in history.of(Ended):
        yield from (f"{end.job}: picture {what}" for what in end.bad_pictures)


def changed(history: History) -> Iterator[str]:
    """Statuses that went backwards, from an end or otherwise, for one who asked afterwards."""
    for job, seen in by_job(history.of(Seen)).items():
        for later in seen:
            before = [one for one in seen if one.at < later.began]
            furthest = max(before, key=lambda one: ORDER[one.status], default=None)
            if furthest and ORDER[furthest.status] > ORDER[later.status]:
                yield f"{job}: {furthest.status} via {furthest.via}, then {later.status}"


def untold(history: History) -> Iterator[str]:
    """Webhooks that never came, came unsigned, or told of what was not wanted or did not happen."""
    told = by_job(history.of(Told))
    for end in history.of(Ended):
        happened = {f"job.{kind}" for _, kind in end.stream}
        owed = set(end.wanted) & happened
        came = told.pop(end.job, [])
        good = {one.type for one in came if one.is_signed and 200 <= one.answered < 300}
        yield from (f"{end.job}: {kind} never came" for kind in sorted(owed - good))
        yield from (f"{one.message}: not signed" for one in came if not one.is_signed)
        for kind in sorted({one.type for one in came} - owed):
            yield f"{end.job}: {kind} came and was not owed"
        for kind in owed:
            if len(ids := {one.message for one in came if one.type == kind}) > 1:
                yield f"{end.job}: {kind} under several ids {sorted(ids)}"
        for message, state in end.deliveries:
            if state != "delivered":
                yield f"{message}: {state} in the log of deliveries"
    yield from (f"{job}: told of a job that is not among those at the end" for job in told)


def mistold(history: History) -> Iterator[str]:
    """Streams that lost, repeated or reordered events, or went on after the end."""
    whole = {end.job: end.stream for end in history.of(Ended)}
    for job, stream in whole.items():
        kinds = [kind for _, kind in stream]
        ends = [kind for kind in kinds if kind in TERMINAL]
        if not kinds or kinds[0] != "queued" or "queued" in kinds[1:]:
            yield f"{job}: begins with {kinds[:2]}"
        elif len(ends) != 1 or kinds[-1] not in TERMINAL:
            yield f"{job}: ends with {kinds[-3:]}"
    readers = dict[tuple[str, int], list[str]]()
    for event in history.of(Streamed):
        readers.setdefault((event.job, event.follower), []).append(event.event_id)
    for (job, follower), ids in readers.items():
        if ids != [event_id for event_id, _ in whole.get(job, [])][: len(ids)]:
            yield f"{job}: reader {follower} saw {ids}"


def left_over(history: History) -> Iterator[str]:
    """What still lies in Redis."""
    yield from (left.key for left in history.of(Left))


def wrong(history: History) -> Iterator[str]:
    """Answers that no client should get, parts that ended by themselves."""
    yield from (entry.what for entry in history.of(Wrong))


RULES: dict[str, Callable[[History], Iterator[str]]] = {
    "job lost": lost,
    "two visible results": doubled,
    "status went back": changed,
    "webhook missing or wrong": untold,
    "stream broken": mistold,
    "left over in Redis": left_over,
    "wrong answer": wrong,
}
