"""Command line of the bench. Every figure of docs/benchmarks.md is printed by it."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from models import runtimes
from models.pipeline import LatentDiffusionPipeline
from models.source import BUILT_IN
from worker.bench import gpu
from worker.bench.comparison import Bench, Measured
from worker.bench.exactness import cost_of_exactness
from worker.bench.overhead import overhead_us
from worker.bench.serving import Clock, torch_threads
from worker.warm_up import warm_up

SCENES = ("burst", "single", "poisson", "short", "likeness", "overhead", "exact")
PLOTTED_ROWS = (1, 2, 4, 8, 16)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the scenes that are asked for; print them, as text or JSON."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["gpu"]:
        gpu.main(words[1:], describe)
        return
    options = _options(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    results = measure(options)
    if options.plots:
        from worker.bench import plots

        for path in plots.draw(results, options.plots):
            print(path)
    print(json.dumps(results, indent=2) if options.json else describe(results))


def measure(options: argparse.Namespace) -> Measured:
    """All scenes of one run, over one pair of pipelines with the same weights."""
    load = partial(
        LatentDiffusionPipeline.from_checkpoint, options.model, options.device, _dtype(options)
    )
    stock, ours = load(), load()
    wanted = "torch" if options.exact else options.runtime
    said = runtimes.install(ours.family, wanted, None, options.threads or None, options.dtype)
    now = time.process_time if options.clock == "cpu" else time.perf_counter
    our_threads = None if said.startswith("torch") else 1
    with torch_threads(our_threads):
        costs = warm_up(ours, 2 * options.max_batch_size, now)
    stock("", num_inference_steps=2)
    bench = Bench(
        stock,
        ours,
        costs,
        options.max_batch_size,
        lambda: Clock(now),
        options.repeats,
        exact=options.exact,
        our_threads=our_threads,
    )
    results: Measured = {
        "model": options.model.name,
        "machine": machine(options.device),
        "ours": f"{said}{', exact' if options.exact else ''}",
        "threads": torch.get_num_threads(),
        "clock": options.clock,
        "costs": {str(rows): costs.seconds(rows) for rows in PLOTTED_ROWS},
        "rows_that_pay": costs.knee(2 * options.max_batch_size),
    }
    scenes: dict[str, Any] = {
        "burst": lambda: bench.burst(options.jobs),
        "single": bench.single,
        "poisson": lambda: bench.poisson(options.poisson_jobs),
        "short": bench.short_among_long,
        "likeness": lambda: bench.likeness(options.jobs),
        "overhead": lambda: overhead_us(load(), 8, options.repeats),
        "exact": lambda: cost_of_exactness(
            load(), options.jobs, options.max_batch_size, options.repeats, now
        ),
    }
    return results | {name: scenes[name]() for name in options.scenes}


def machine(device: str) -> str:
    """What it ran on, in a few words."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpu = platform.processor() or platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"


def describe(results: Measured) -> str:
    """The results for a reader, a line a figure."""
    return "\n".join(_lines(results, ""))


def _lines(results: Measured, indent: str) -> list[str]:
    lines: list[str] = []
    for name, value in results.items():
        if isinstance(value, dict) and "times_better" in value:
            low, high = value["range"]
            lines.append(
                f"{indent}{name:<10} stock {value['stock_s']:8.3f} s  ours {value['ours_s']:8.3f} s"
                f"  {value['times_better']:5.2f} times better ({low:.2f} to {high:.2f})"
            )
        elif isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(f"{indent}{name:<26} {shown}")
    return lines


def _dtype(options: argparse.Namespace) -> torch.dtype:
    return torch.bfloat16 if options.device == "cuda" else torch.float32


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="worker.bench", description=__doc__)
    parser.add_argument(
        "scenes", nargs="*", default=["burst"], help=f"of {', '.join(SCENES)}; all; or gpu"
    )
    parser.add_argument("--model", type=Path, default=BUILT_IN, help="a checkpoint")
    parser.add_argument("--runtime", choices=runtimes.NAMES, default="auto")
    parser.add_argument("--dtype", choices=("auto", "float32"), default="auto",
                        help="of a compiled network of ours; stock's is float32")  # fmt: skip
    parser.add_argument(
        "--exact", action="store_true", help="ours: the plain loop's bits, by torch"
    )
    parser.add_argument("--jobs", type=int, default=16, help="of a burst")
    parser.add_argument("--poisson-jobs", type=int, default=48)
    parser.add_argument("--max-batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                        help="cpu: seconds of this process, with --threads 1")  # fmt: skip
    parser.add_argument("--plots", type=Path, help="a folder for PNG files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.scenes == ["all"]:
        options.scenes = list(SCENES)
    unknown = set(options.scenes) - set(SCENES)
    if unknown:
        parser.error(f"unknown scenes: {', '.join(sorted(unknown))}; known: {', '.join(SCENES)}")
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu adds up the seconds of all threads: it needs --threads 1")
    return options


if __name__ == "__main__":
    main()
