import pytest

from models.card import CheckpointError
from models.pipeline import UnsupportedRequest
from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec
from worker.affinity import Affinity
from worker.engine import Engine
from worker.report import Report
from worker.shelf import Shelf

A, B, C = "a", "b", "c"
SIZES = {A: 6, B: 6, C: 4}


class Loading:
    """Loads one and the same tiny pipeline as any model; counts."""

    def __init__(self, pipeline: TinyPipeline, broken: str = "") -> None:
        self.pipeline = pipeline
        self.broken = broken
        self.loads: list[str] = []
        self.held: list[tuple[str, ...]] = []

    def __call__(self, model: str) -> Engine:
        if model == self.broken:
            raise CheckpointError("/secret/place", "missing")
        self.loads.append(model)
        return Engine(self.pipeline, 4)

    def shelf(self, budget: int | None = 10) -> Shelf:
        return Shelf(self, Affinity(SIZES, budget), self.held.append)


@pytest.fixture
def loading(pipeline: TinyPipeline) -> Loading:
    return Loading(pipeline)


def finished(shelf: Shelf) -> list[str]:
    """Step until the shelf is empty; ids in the order of their ends."""
    ended: list[str] = []
    while len(shelf):
        ended += [one.job_id for one in shelf.step().finished]
    return ended


def test_it_is_filled_in_order_as_far_as_there_is_room(loading: Loading) -> None:
    loading.shelf().fill()

    assert loading.loads == [A, C]
    assert loading.held == [(A, C)]


def test_without_a_budget_all_are_held(loading: Loading) -> None:
    loading.shelf(budget=None).fill()

    assert loading.loads == [A, B, C]


def test_what_does_not_fit_beside_a_model_makes_room_for_it(loading: Loading) -> None:
    shelf = loading.shelf()
    shelf.fill()

    shelf.admit("1", a_spec(model=A))
    finished(shelf)
    shelf.admit("2", a_spec(model=B))

    assert loading.held[-1] == (C, B)  # a and b would be too much
    assert finished(shelf) == ["2"]


def test_a_model_with_jobs_inside_is_not_unloaded(loading: Loading) -> None:
    shelf = loading.shelf()
    shelf.admit("1", a_spec(model=A))

    shelf.admit("2", a_spec(model=B))

    assert set(loading.held[-1]) == {A, B}
    assert sorted(finished(shelf)) == ["1", "2"]


def test_models_take_turns_step_by_step(loading: Loading) -> None:
    shelf = loading.shelf(budget=None)
    shelf.admit("long", a_spec(model=A, num_inference_steps=6))
    shelf.admit("short", a_spec(model=B, num_inference_steps=2))

    moved = [shelf.step().progress[0].job_id for _ in range(5)]

    assert moved.count("short") == 2
    assert finished(shelf) == ["long"]
    assert shelf.step() == Report()


def test_a_canceled_job_leaves_its_model(loading: Loading) -> None:
    shelf = loading.shelf()
    shelf.admit("1", a_spec(model=A))
    shelf.preview("1")

    shelf.cancel("1")
    shelf.cancel("never seen")
    shelf.preview("never seen")

    assert len(shelf) == 0


def test_a_model_that_cannot_be_loaded_fails_its_jobs_alone(pipeline: TinyPipeline) -> None:
    loading = Loading(pipeline, broken=B)
    shelf = loading.shelf()
    shelf.admit("1", a_spec(model=A))

    with pytest.raises(UnsupportedRequest, match=r"^model 'b' cannot be loaded: missing$"):
        shelf.admit("2", a_spec(model=B))

    assert finished(shelf) == ["1"]
