from typing import Any

import pytest

from tests.app.front_end import FrontEnd, assert_problem


@pytest.mark.parametrize(
    ("loras", "field", "said"),
    [
        ([{"name": "wool"}], "loras.0.name", "unknown; model 'default' has: ink, oil"),
        ([{"name": "ink"}, {"name": "../ink"}], "loras.1.name", "unknown; model 'default' has"),
        ([{"name": "ink"}, {"name": "ink"}], "loras", "must not name a LoRA twice"),
        ([{"name": "ink", "weight": 11}], "loras.0.weight", "less than or equal to 10"),
        ([{"name": "ink", "weight": "1"}], "loras.0.weight", "valid number"),
        ([{"name": "ink", "file": "x"}], "loras.0.file", "not permitted"),
        ([{"weight": 1}], "loras.0.name", "required"),
        ("ink", "loras", "valid list"),
    ],
)
def test_a_lora_that_the_model_does_not_have_is_refused_by_its_field(
    front_end: FrontEnd, loras: Any, field: str, said: str
) -> None:
    answer = front_end.http.post("/v1/jobs", json={"prompt": "a", "loras": loras})

    (error,) = assert_problem(answer, 422, "invalid_request")["errors"]
    assert error["field"] == field
    assert said in error["message"]


def test_loras_are_resolved_and_echoed(front_end: FrontEnd) -> None:
    loras = [{"name": "ink"}, {"name": "oil", "weight": -0.5}]

    job = front_end.http.post("/v1/jobs", json={"prompt": "a", "loras": loras}).json()

    assert job["request"]["loras"] == [
        {"name": "ink", "weight": 1.0},
        {"name": "oil", "weight": -0.5},
    ]
