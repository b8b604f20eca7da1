import json
import time
from pathlib import Path

import pytest
import torch

from tests.tiny_checkpoint import TinyPipeline
from worker.bench import __main__ as command
from worker.bench.comparison import Bench
from worker.bench.exactness import cost_of_exactness
from worker.bench.serving import Clock, by_engine, draw_alone, largest_difference, one_at_a_time
from worker.bench.traffic import Arrival, a_job, burst, mixed, poisson
from worker.cost import FREE
from worker.engine import Engine


class Ticking(Clock):
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.ticks = 0.0
        super().__init__(self.tick)

    def tick(self) -> float:
        self.ticks += 1.0
        return self.ticks


def test_mixed_jobs_are_what_the_card_offers_and_the_same_every_time(
    pipeline: TinyPipeline,
) -> None:
    card = pipeline.card

    specs = mixed(card, 400, seed=1)

    assert specs == mixed(card, 400, seed=1) != mixed(card, 400, seed=2)
    assert {spec.scheduler for spec in specs} == set(card.schedulers)
    assert {spec.num_inference_steps for spec in specs} == {4, 8, 12, 20, 30, 50}
    assert {spec.width for spec in specs} == {card.native_size}


def test_poisson_arrivals_have_the_gaps_that_are_asked_for(pipeline: TinyPipeline) -> None:
    arrivals = poisson(mixed(pipeline.card, 400, seed=1), 2.0, seed=1)

    times = [arrival.at_s for arrival in arrivals]
    assert times == sorted(times)
    assert times[-1] / 400 == pytest.approx(2.0, rel=0.15)


def test_one_at_a_time_is_a_queue(pipeline: TinyPipeline) -> None:
    spec = a_job(pipeline.card)
    arrivals = [Arrival(1.0, spec), Arrival(2.0, spec), Arrival(20.0, spec)]

    served = one_at_a_time(arrivals, [5.0, 5.0, 1.0])

    assert served.latencies_s == (5.0, 9.0, 1.0)
    assert (served.makespan_s, served.percentile_s(0.5), served.percentile_s(0.99)) == (20, 5, 9)


def test_a_clock_jumps_over_idle_time_and_never_back() -> None:
    clock = Ticking()

    clock.jump(100.0)
    assert 100.0 <= clock() < 110.0
    clock.jump(50.0)
    assert clock() >= 100.0


def test_both_ways_draw_the_same_pictures_and_nobody_comes_before_its_time(
    pipeline: TinyPipeline,
) -> None:
    specs = [a_job(pipeline.card, seed=i, num_inference_steps=2 + i) for i in range(3)]
    arrivals = [Arrival(1_000.0 * i, spec) for i, spec in enumerate(specs)]

    seconds, alone = draw_alone(pipeline, specs, Ticking())
    ours = by_engine(Engine(pipeline, 8), arrivals, Ticking())

    assert largest_difference(ours.pictures, alone)[0] <= 1
    assert min(seconds) > 0
    assert all(0 < latency < 1_000 for latency in ours.latencies_s)
    assert ours.makespan_s > 2_000


def test_a_failed_job_is_no_result(pipeline: TinyPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("the decoder broke")

    monkeypatch.setattr(pipeline, "decode_latents", break_down)

    with pytest.raises(RuntimeError, match="the decoder broke"):
        by_engine(Engine(pipeline, 8), burst([a_job(pipeline.card)]), Clock())


def test_every_scene_says_how_many_times_better(pipeline: TinyPipeline) -> None:
    bench = Bench(pipeline, pipeline, FREE, 8, Clock, repeats=1)

    one = bench.burst(3)

    mean = one["mean"]
    assert mean["times_better"] == mean["stock_s"] / mean["ours_s"] == mean["range"][0]
    assert one["rows_per_call"] >= 1


@pytest.mark.timeout(120)
def test_the_command_prints_text_json_and_pictures(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["burst", "single", "--model", str(tiny_checkpoint), "--runtime", "torch",
                 "--jobs", "3", "--repeats", "1"]  # fmt: skip

    command.main(arguments)
    text = capsys.readouterr().out
    command.main([*arguments, "--json", "--plots", str(tmp_path)])
    lines = capsys.readouterr().out

    assert "times better" in text
    assert json.loads(lines[lines.index("{") :])["burst"]["jobs"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"burst.png", "costs.png"}


def test_exactness_is_measured_beside_the_plain_loops_bytes(pipeline: TinyPipeline) -> None:
    found = cost_of_exactness(pipeline, 4, 8, 1, time.perf_counter)

    assert found["makespan"]["exact_costs_times"] > 0
    assert found["share_of_bytes_unlike_the_plain_loop"]["exact"] == 0


def test_scenes_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["bursts"])

    assert "unknown scenes: bursts" in capsys.readouterr().err


@pytest.mark.timeout(180)
def test_the_script_for_a_gpu_runs_at_toy_size_where_there_is_none_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if torch.cuda.is_available():
        pytest.skip("it would measure at full size")

    command.main(["gpu", "sd1.5", "flux", "--jobs", "2", "--steps", "2", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["machine"].startswith("NO GPU HERE")
    for name in ("sd1.5", "flux"):
        scenes = found[name]
        assert scenes["burst, beside stock eager"]["mean"]["times_better"] > 0
        assert scenes["burst, beside stock compiled"]["rows_per_call"] >= 1
        assert scenes["ours one at a time"]["makespan_s"] > 0
        assert "of peak" in scenes["a forward pass"]["8 rows"]
        assert len(scenes["profile, most of the time"]) == 12
