"""`python -m worker.bench gpu`: models of the usual sizes on a GPU, ours beside stock, in one run.

The weights are random, in bfloat16: how fast, not what. One and the same jobs are drawn by the
plain loop on the module as it is (stock, eager) and compiled, by the plain loop on our recorded
passes (ours, one at a time), and by the engine on them. On a machine without CUDA the same script
runs at toy size on the CPU, in float32, to show that it works; its times mean nothing there.
"""

import argparse
import copy
import json
from collections.abc import Callable, Sequence

import torch

from models.pipeline import LatentDiffusionPipeline
from models.runtimes import graphs
from worker.bench.comparison import Bench, Measured
from worker.bench.passes import Machine, passes, profile
from worker.bench.serving import Clock, draw_alone
from worker.bench.shapes import SHAPES, pipeline_of
from worker.bench.traffic import PROMPTS, a_job, burst, poisson
from worker.warm_up import warm_up

LOAD = 0.9  # of what the engine can do


def measure(options: argparse.Namespace, machine: Machine) -> Measured:
    """All scenes for each of the models that are asked for."""
    results: Measured = {"machine": machine.said, "peak_tflops": machine.peak_flops() / 1e12}
    for name in options.models:
        results[name] = measure_model(name, options, machine, results["peak_tflops"])
        if machine.device == "cuda":
            torch.cuda.empty_cache()
    return results


@torch.inference_mode()
def measure_model(
    name: str, options: argparse.Namespace, machine: Machine, peak_tflops: float
) -> Measured:
    """Four ways to draw the same jobs; two copies of the weights."""
    stock, ours = (
        pipeline_of(name, machine.device, machine.dtype, is_toy=machine.is_toy) for _ in range(2)
    )
    compiled = LatentDiffusionPipeline(copy.copy(stock.family))
    # Tracing shows on a CPU that it can be compiled; to generate code there takes minutes.
    backend = "eager" if machine.is_toy else "inductor"
    compiled.family.denoiser = torch.compile(compiled.family.network, backend=backend)
    graphs.install(ours.family)
    costs = warm_up(ours, 2 * options.max_batch_size)
    specs = [
        a_job(
            ours.card, prompt=PROMPTS[i % len(PROMPTS)], seed=i, num_inference_steps=options.steps
        )
        for i in range(options.jobs)
    ]
    for pipeline in (stock, compiled, ours):
        draw_alone(pipeline, specs[:1], Clock())
    bench = Bench(stock, ours, costs, options.max_batch_size, Clock, options.repeats)
    beside_compiled = Bench(compiled, ours, costs, options.max_batch_size, Clock, options.repeats)
    one = bench.scene(burst(specs))
    alone_s = sum(draw_alone(ours, specs, Clock())[0])
    stock_s = [one["makespan"]["stock_s"] / len(specs)] * len(specs)
    seconds_each = one["makespan"]["ours_s"] / len(specs)
    coming = poisson(specs, seconds_each / LOAD, seed=1)
    return {
        "burst, beside stock eager": one,
        "burst, beside stock compiled": beside_compiled.scene(burst(specs)),
        "ours one at a time": {"makespan_s": alone_s,
                               "times_better_together": alone_s / one["makespan"]["ours_s"]},
        "images_a_second": len(specs) / one["makespan"]["ours_s"],
        f"poisson at {LOAD} of ours, beside stock eager": bench.scene(coming, stock_s),
        "a forward pass": passes(stock, ours, costs, machine, peak_tflops),
        "profile, most of the time": profile(ours, options.max_batch_size),
    }  # fmt: skip


def main(arguments: Sequence[str], describe: Callable[[Measured], str]) -> None:
    """Measure and print, as text or JSON."""
    machine = Machine.here()
    options = _options(arguments, machine)
    results = measure(options, machine)
    print(json.dumps(results, indent=2) if options.json else describe(results))


def _options(arguments: Sequence[str], machine: Machine) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="worker.bench gpu", description=__doc__)
    parser.add_argument("models", nargs="*", default=["sd1.5", "sdxl"], help=", ".join(SHAPES))
    parser.add_argument("--jobs", type=int, default=4 if machine.is_toy else 16)
    parser.add_argument("--steps", type=int, default=4 if machine.is_toy else 20)
    parser.add_argument("--max-batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=1 if machine.is_toy else 3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if unknown := set(options.models) - set(SHAPES):
        parser.error(f"unknown models: {', '.join(sorted(unknown))}; known: {', '.join(SHAPES)}")
    return options
