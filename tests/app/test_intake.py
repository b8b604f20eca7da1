"""From a wish to a job, without HTTP."""

from dataclasses import replace

import pytest

from app import intake
from app.dependencies import Services
from app.errors import InvalidRequest, NotFound, QueueFull, Unavailable
from app.jobs.admission import Door
from app.schemas import QueueView
from tests.app.front_end import MODEL, WORKER, HandWorker, make_job, make_spec


def test_the_default_model_serves_who_names_none(services: Services) -> None:
    services.catalogue.announce(MODEL)

    assert intake.find_model(services, None) == MODEL
    assert intake.find_model(services, "default") == MODEL


def test_an_unknown_model_is_the_callers_mistake_and_names_the_known(services: Services) -> None:
    services.catalogue.announce(MODEL)

    with pytest.raises(InvalidRequest, match="there are: default"):
        intake.find_model(services, "unheard-of")


def test_a_model_of_ours_that_nobody_serves_yet_is_not(services: Services) -> None:
    for wanted in (None, "default"):
        with pytest.raises(Unavailable):
            intake.find_model(services, wanted)


def test_a_submission_becomes_a_record(services: Services) -> None:
    services.catalogue.announce(MODEL)

    job, replayed = intake.submit(services, make_spec(), "me", {"a": "b"})

    assert not replayed
    assert services.store.get(job.id) == job
    assert (job.owner, job.metadata) == ("me", {"a": "b"})


def test_a_full_queue_is_said_with_its_length(services: Services) -> None:
    services.catalogue.announce(MODEL)
    services.catalogue.beat(WORKER)
    services = replace(services, door=Door(services.redis, services.queues, max_queue=1))
    intake.submit(services, make_spec(), "me", {})

    with pytest.raises(QueueFull, match="1 jobs wait") as refused:
        intake.submit(services, make_spec(), "me", {})

    assert refused.value.retry_after_s == 1


def test_a_job_is_its_owners(services: Services) -> None:
    job = make_job(owner="me")
    services.door.admit(job, None, ["default"])

    assert intake.find_job(services, job.id, "me") == job
    for job_id, owner in ((job.id, "you"), ("0" * 32, "me"), (f"{job.id}:events", "me")):
        with pytest.raises(NotFound):
            intake.find_job(services, job_id, owner)


def test_a_place_in_the_queue_counts_those_before(services: Services, worker: HandWorker) -> None:
    services.catalogue.beat(WORKER)
    jobs = [make_job(), make_job(num_images=4), make_job(priority="high")]
    for job in jobs:
        services.door.admit(job, None, ["default"])

    places = [intake.place_in_queue(services, job) for job in jobs]

    assert places == [
        QueueView(position=1, eta_s=1.0),
        QueueView(position=2, eta_s=3.0),
        QueueView(position=0, eta_s=0.5),
    ]
    worker.take(jobs[0].id)
    assert intake.place_in_queue(services, worker.job(jobs[0].id)) is None


def test_without_a_known_pace_there_is_no_estimate(services: Services) -> None:
    job = make_job()
    services.door.admit(job, None, ["default"])

    assert intake.place_in_queue(services, job) == QueueView(position=0, eta_s=None)
