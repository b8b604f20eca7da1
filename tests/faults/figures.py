"""How long a fault was felt, from a history: the table of docs/faults.md."""

from collections.abc import Iterable, Sequence
from statistics import median

from tests.faults.history import Accepted, Ended, History, Seen, Struck, Told

CLASSES = {"worker-1": "worker", "worker-2": "worker"}


def kind_of(fault: Struck) -> str:
    """A row of the table: the deed and what it was done to."""
    if not fault.is_alone:
        return "two at once"
    target = fault.target
    for name, shown in CLASSES.items():
        target = target.replace(name, shown)
    return f"{fault.deed} {target}"


def felt(history: History) -> dict[str, list[tuple[float, float]]]:
    """Of each kind of fault, for each time it struck: seconds until an answer, and until rest.

    The first is the time from the strike until a request that began after it was answered; the
    second until every job that was open then had ended and its receiver had been told.
    """
    answered = sorted((seen.began, seen.at) for seen in history.of(Seen))
    accepted = dict[str, float]()
    for entry in history.of(Accepted):
        accepted[entry.job] = min(entry.at, accepted.get(entry.job, entry.at))
    told = dict[str, float]()
    for one in history.of(Told):
        if one.result and 200 <= one.answered < 300:
            told[one.job] = min(one.at, told.get(one.job, one.at))
    rest = {
        end.job: (
            accepted.get(end.job, end.finished_at),
            max(end.finished_at, told.get(end.job, 0)),
        )
        for end in history.of(Ended)
    }
    kinds = dict[str, list[tuple[float, float]]]()
    for fault in history.of(Struck):
        answer = min((at for began, at in answered if began >= fault.at), default=fault.until)
        open_then = [done for came, done in rest.values() if came <= fault.at < done]
        figures = (answer - fault.at, max(open_then, default=fault.at) - fault.at)
        kinds.setdefault(kind_of(fault), []).append(figures)
    return kinds


def table(histories: Iterable[History]) -> str:
    """Markdown: worst and median of both, a row a kind of fault."""
    kinds = dict[str, list[tuple[float, float]]]()
    for history in histories:
        for kind, figures in felt(history).items():
            kinds.setdefault(kind, []).extend(figures)
    head = (
        "| fault | times | a request is answered: median, worst (s)"
        " | all open jobs have ended and been told: median, worst (s) |"
    )
    rows = [_row(kind, *zip(*kinds[kind], strict=True)) for kind in sorted(kinds)]
    return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def _row(kind: str, answers: Sequence[float], ends: Sequence[float]) -> str:
    shown = [f"{median(seconds):.2f}, {max(seconds):.2f}" for seconds in (answers, ends)]
    return f"| {kind} | {len(answers)} | {' | '.join(shown)} |"
