"""What is remembered of one job in flight."""

from datetime import timedelta

import pytest
import torch
from redis import Redis

from app.jobs.images import ImagesUnavailable
from app.jobs.job import FailureCode, StoredImage, now
from tests.worker.in_hand import a_bookkeeper, a_job, admitted
from worker.flight import CANCELED, OVERDUE, Flight, is_overdue, outcome_of


def a_picture(index: int) -> StoredImage:
    return StoredImage(
        index=index, key=f"k/{index}.png", seed=1, width=64, height=64,
        content_type="image/png", bytes=1, sha256="",
    )  # fmt: skip


@pytest.fixture
def flight(redis: Redis) -> Flight:
    job = admitted(redis, num_images=3, num_inference_steps=10)
    bookkeeper = a_bookkeeper(redis)
    taken = bookkeeper.take()
    assert taken is not None
    known = job.model_copy(update={"images": [a_picture(1)]})
    return Flight(known, bookkeeper.begin(taken))


def test_pictures_of_an_earlier_attempt_count(flight: Flight) -> None:
    assert flight.indices == {1}
    assert not flight.has_all_images
    flight.indices |= {0, 2}
    assert flight.has_all_images


def test_the_first_outcome_stands(flight: Flight) -> None:
    flight.end(CANCELED)
    flight.end(OVERDUE)
    assert flight.outcome is CANCELED


def test_progress_is_told_when_it_is_due_and_at_the_end(flight: Flight) -> None:
    assert not flight.takes_progress(is_due=True)
    flight.next_step = 1
    assert flight.takes_progress(is_due=True)
    assert not flight.takes_progress(is_due=False)
    flight.next_step = 10
    assert flight.takes_progress(is_due=False)


def test_a_job_that_has_ended_tells_no_more_progress(flight: Flight) -> None:
    flight.next_step = 5
    flight.end(CANCELED)
    assert not flight.takes_progress(is_due=True)


def test_a_deadline_counts_from_submission() -> None:
    job = a_job(deadline_s=60)
    assert not is_overdue(a_job())
    assert not is_overdue(job)
    earlier = now() - timedelta(seconds=61)
    assert is_overdue(job.model_copy(update={"created_at": earlier}))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), FailureCode.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), FailureCode.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] can't allocate memory"), FailureCode.OUT_OF_MEMORY),
        (ImagesUnavailable("No space left on device: /srv/images"), FailureCode.GENERATION_FAILED),
        (OSError(28, "No space left", "/srv/images"), FailureCode.GENERATION_FAILED),
        (ValueError("why"), FailureCode.GENERATION_FAILED),
    ],
)
def test_a_failure_is_told_in_words_that_give_no_place_away(
    error: Exception, code: FailureCode
) -> None:
    outcome = outcome_of(error)

    assert outcome.code is code
    assert outcome.message
    assert "/srv" not in outcome.message
    assert type(error).__name__ in outcome.cause
