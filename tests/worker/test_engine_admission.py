from typing import Any

import pytest

from models.pipeline import UnsupportedRequest
from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec
from worker.engine import Engine, Report


@pytest.mark.parametrize(
    "changes",
    [{"width": 72}, {"height": 256}, {"scheduler": "heun"}, {"scheduler": "magic"},
     {"scheduler": "lcm", "num_inference_steps": 60}],
)  # fmt: skip
def test_a_spec_that_the_model_cannot_serve_is_refused_at_admission(
    pipeline: TinyPipeline, changes: dict[str, Any]
) -> None:
    engine = Engine(pipeline, 8)

    with pytest.raises(UnsupportedRequest):
        engine.admit("job", a_spec(**changes))

    assert len(engine) == 0
    assert engine.step() == Report()


def test_a_job_is_admitted_once(pipeline: TinyPipeline) -> None:
    engine = Engine(pipeline, 8)
    engine.admit("job", a_spec())

    with pytest.raises(ValueError, match="job is in the engine already"):
        engine.admit("job", a_spec())
