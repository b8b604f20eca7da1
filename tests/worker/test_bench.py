import json
import re
from pathlib import Path

import pytest

from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec
from worker import bench
from worker.engine import Engine


def test_the_burst_spans_eight_to_forty_steps_and_all_schedulers(pipeline: TinyPipeline) -> None:
    specs = bench.burst(pipeline, 16)

    steps = [spec.num_inference_steps for spec in specs]
    assert (min(steps), max(steps)) == (8, 40)
    assert {spec.scheduler for spec in specs} == set(pipeline.card.schedulers)
    assert {spec.guidance_scale for spec in specs} == {1.0, 4.0}


def test_both_ways_draw_the_same_pictures(pipeline: TinyPipeline) -> None:
    specs = [a_spec(seed=i, num_inference_steps=2 + i) for i in range(3)]

    alone = bench.one_at_a_time(pipeline, specs)
    together = bench.all_at_once(Engine(pipeline, 8), specs)

    assert bench.largest_difference(alone, together) <= 1
    assert len(set(alone.latencies_s)) == 3


def test_a_failed_job_is_no_result(pipeline: TinyPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("the decoder broke")

    monkeypatch.setattr(pipeline, "decode_latents", break_down)

    with pytest.raises(RuntimeError, match="the decoder broke"):
        bench.all_at_once(Engine(pipeline, 8), [a_spec()])


@pytest.mark.timeout(60)
def test_the_command_prints_the_makespan_ratio(
    tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(tiny_checkpoint), "--jobs", "4", "--repeats", "1"]

    bench.main(arguments)
    text = capsys.readouterr().out
    bench.main([*arguments, "--json"])
    values = json.loads(capsys.readouterr().out)

    assert re.search(r"makespan ratio +\d\.\d{3}  \(engine / one at a time\)", text)
    assert values["makespan_ratio"] == values["engine_s"] / values["one_at_a_time_s"]
    assert values["engine"]["most_distinct_timesteps"] >= 2
    assert values["largest_pixel_difference"] <= 1
