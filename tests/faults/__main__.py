"""The fault suite, `python -m tests.faults`: campaigns of several seeds, a verdict and a table.

Exits with 1 if any promise was broken; the history of such a campaign is kept.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.campaign import Verdict, campaign
from tests.faults.checker import check
from tests.faults.figures import table
from tests.faults.history import Accepted, Ended, Struck, Told, read
from tests.tiny_checkpoint import write_tiny_checkpoint


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--faults", type=int, default=28, help="of each seed")
    parser.add_argument("--keep", type=Path, help="folder for the histories of all campaigns")
    parser.add_argument("--judge", type=Path, help="run nothing: judge the histories kept there")
    options = parser.parse_args()
    if options.judge:
        verdicts = judge(options.judge)
    else:
        verdicts = strike(options.seeds, options.faults, options.keep)
    print(f"\n{table(verdict.history for verdict in verdicts)}\n\n{total(verdicts)}")
    return 1 if any(verdict.violations for verdict in verdicts) else 0


def strike(seeds: list[int], faults: int, keep: Path | None) -> list[Verdict]:
    """One campaign a seed."""
    verdicts = list[Verdict]()
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        checkpoint = write_tiny_checkpoint(Path(temporary) / "checkpoint")
        for seed in seeds:
            began, folder = time.monotonic(), Path(temporary) / str(seed)
            folder.mkdir()
            verdict = campaign(seed, faults, checkpoint, folder)
            verdicts.append(verdict)
            print(f"{line(verdict)}  {time.monotonic() - began:.0f} s", flush=True)
            report(verdict, folder, keep)
    return verdicts


def judge(folder: Path) -> list[Verdict]:
    """What was kept of earlier campaigns, judged again."""
    verdicts = list[Verdict]()
    for path in sorted(folder.glob("seed-*.jsonl")):
        history = read(path)
        verdicts.append(Verdict(int(path.stem.rpartition("-")[2]), history, check(history)))
        print(line(verdicts[-1]))
        for violation in verdicts[-1].violations:
            print(f"  {violation.rule}: {violation.detail[:300]}")
    return verdicts


def line(verdict: Verdict) -> str:
    history = verdict.history
    ends = Counter(end.status for end in history.of(Ended))
    repeated = sum(end.attempts - 1 for end in history.of(Ended) if end.attempts > 1)
    return (
        f"seed {verdict.seed}: {len(history.of(Ended))} jobs {dict(ends)}, {repeated} attempts"
        f" repeated, {len(history.of(Struck))} faults, {len(history.of(Told))} deliveries,"
        f" {len(verdict.violations)} violations"
    )


def report(verdict: Verdict, folder: Path, keep: Path | None) -> None:
    """Name what was broken, and keep what is needed to find out why."""
    for violation in verdict.violations:
        print(f"  {violation.rule}: {violation.detail[:300]}")
    if keep is None and verdict.violations:
        keep = Path(tempfile.mkdtemp(prefix=f"faults-seed-{verdict.seed}-"))
    if keep is None:
        return
    keep.mkdir(parents=True, exist_ok=True)
    verdict.history.write(keep / f"seed-{verdict.seed}.jsonl")
    for log in [*folder.glob("*.log"), folder / "valkey" / "valkey.log"]:
        (keep / f"seed-{verdict.seed}-{log.name}").write_bytes(log.read_bytes())
    print(f"  history and logs: {keep}")


def total(verdicts: list[Verdict]) -> str:
    broken = Counter(one.rule for verdict in verdicts for one in verdict.violations)
    jobs = {entry.job for verdict in verdicts for entry in verdict.history.of(Accepted)}
    faults = sum(len(verdict.history.of(Struck)) for verdict in verdicts)
    seeds = [verdict.seed for verdict in verdicts]
    kept = dict(broken) if broken else "every promise kept"
    return f"seeds {seeds}: {len(jobs)} jobs accepted, {faults} faults; {kept}"


if __name__ == "__main__":
    sys.exit(main())
