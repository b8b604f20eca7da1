"""Sizes that a model does not draw, wishes in other words, and clients that leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dependencies import Services
from app.errors import InvalidRequest
from app.jobs.admission import IdempotencyKey
from app.jobs.job import Dialect
from app.translation import Wish, fit, in_words, read, take_in
from tests.app.front_end import MODEL, FrontEnd

SIZES = st.integers(1, 99_999)


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (72, 120)])
def test_a_size_that_the_model_draws_stays(size: tuple[int, int]) -> None:
    assert fit(*size, MODEL) == size


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((1024, 1024), (64, 64)),
        ((1536, 1024), (96, 64)),
        ((1024, 1792), (64, 112)),
        ((16, 16), (64, 64)),
        ((100, 100), (64, 64)),
        ((9_000, 90), (128, 64)),
    ],
)
def test_another_keeps_its_proportions_and_gets_the_native_area(
    asked: tuple[int, int], drawn: tuple[int, int]
) -> None:
    assert fit(*asked, MODEL) == drawn


@given(width=SIZES, height=SIZES)
def test_whatever_is_asked_for_the_model_draws_what_comes_out(width: int, height: int) -> None:
    model = MODEL.model_copy(update={"size_multiple": 24, "min_size": 50, "max_size": 130})

    for size in fit(width, height, model):
        assert model.min_size <= size <= model.max_size
        assert size % model.size_multiple == 0


def test_what_is_wrong_is_named_in_the_dialects_words() -> None:
    with pytest.raises(InvalidRequest) as refused, in_words({"num_images": "n"}):
        read({"prompt": "a", "num_images": 9, "seed": -1, "model": None})

    assert [error.field for error in refused.value.errors] == ["n", "seed"]


def test_a_job_remembers_whose_words_it_was_asked_in(front_end: FrontEnd) -> None:
    wish = Wish(Dialect.A1111, {"prompt": "a", "width": 512}, fits=True, warnings=["tiling: no"])

    job = take_in(front_end.services, "anonymous", front_end.url, wish)

    found = front_end.worker.job(job.id)
    assert found.dialect is Dialect.A1111
    assert found.warnings == [
        "tiling: no",
        "size: model 'default' does not draw 512x64; drawn: 128x64",
    ]


def test_an_idempotency_key_replays_a_wish_of_any_dialect(front_end: FrontEnd) -> None:
    wish = Wish(Dialect.OPENAI, {"prompt": "a"})
    key = IdempotencyKey("k", "f")

    def once() -> str:
        return take_in(front_end.services, "anonymous", front_end.url, wish, key).id

    assert once() == once()


def test_a_workers_warnings_come_after_the_intakes(services: Services, front_end: FrontEnd) -> None:
    wish = Wish(Dialect.OPENAI, {"prompt": "a"}, warnings=["first"])
    job = take_in(services, "anonymous", front_end.url, wish)
    lease = front_end.worker.take(job.id)

    for _ in range(2):  # the second time on another attempt
        services.store.warned(front_end.worker.job(job.id), lease, ["second"])

    assert front_end.get(job.id)["warnings"] == ["first", "second"]
