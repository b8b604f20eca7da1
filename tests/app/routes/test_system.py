"""The service about itself."""

import pytest

from tests.app.front_end import MODEL, WORKER, FrontEnd, assert_problem


def test_models_are_listed_as_openais_clients_read_them(front_end: FrontEnd) -> None:
    listed = front_end.http.get("/v1/models").json()

    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert model["id"] == "default"
    assert model["object"] == "model"
    assert model["owned_by"] == "darkroom"
    assert model["created"] == MODEL.created
    assert model["schedulers"] == ["ddim", "euler"]
    assert model["workers"] == 1
    assert front_end.http.get("/v1/models/default").json() == model


def test_a_model_says_whether_it_is_loaded(front_end: FrontEnd) -> None:
    model = front_end.http.get("/v1/models/default").json()

    assert model["is_loaded"] is True
    assert model["loaded_on"] == ["by-hand"]

    front_end.services.catalogue.retire(WORKER.name)

    assert front_end.http.get("/v1/models/default").json()["is_loaded"] is False


@pytest.mark.parametrize("model_id", ["unheard-of", "%00", "a" * 5_000, "%ff"])
def test_an_unknown_model_is_not_found(model_id: str, front_end: FrontEnd) -> None:
    answer = front_end.http.get(f"/v1/models/{model_id}")

    assert_problem(answer, 404, "not_found")
    assert len(answer.content) < 1_000


def test_the_queue_says_what_waits_and_who_works(front_end: FrontEnd) -> None:
    for priority in ("low", "normal", "high"):
        front_end.submit(priority=priority)

    queue = front_end.http.get("/v1/queue").json()

    assert queue["depth"] == 3
    assert queue["processing"] == 0
    assert queue["seconds_per_image"] == 0.5
    (worker,) = queue["workers"]
    assert (worker["name"], worker["device"], worker["slots"]) == ("by-hand", "cpu", 8)


def test_it_is_ready_once_a_worker_is(front_end: FrontEnd) -> None:
    assert front_end.http.get("/readyz").json()["parts"] == {"store": "ready", "workers": "ready"}


def test_it_is_not_ready_while_the_worker_loads(front_end: FrontEnd) -> None:
    front_end.services.catalogue.beat(WORKER.model_copy(update={"is_ready": False}))

    problem = assert_problem(front_end.http.get("/readyz"), 503, "unavailable")

    assert "workers: still loading" in problem["detail"]


def test_it_is_not_ready_without_a_worker(front_end: FrontEnd) -> None:
    front_end.services.catalogue.retire(WORKER.name)

    problem = assert_problem(front_end.http.get("/readyz"), 503, "unavailable")

    assert "workers: none is running" in problem["detail"]


def test_two_workers_are_twice_as_fast_as_one(front_end: FrontEnd) -> None:
    alone = front_end.submit()["queue"]["eta_s"]
    front_end.services.catalogue.beat(WORKER.model_copy(update={"name": "second"}))

    job = front_end.submit(priority="high")

    assert (alone, job["queue"]["eta_s"]) == (0.5, 0.25)
    assert front_end.http.get("/v1/queue").json()["seconds_per_image"] == 0.25
