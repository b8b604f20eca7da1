"""`?previews=true`: pictures of the moment among the events, for whoever asked for them."""

from itertools import islice

from app.client import Event, read_events
from app.jobs import keys
from app.jobs.store import Progress
from tests.app.front_end import FrontEnd
from tests.service import eventually


def show(front_end: FrontEnd, job_id: str, lease: str, step: int) -> bool:
    """As the worker does: a step further, with a preview; whether anybody watches."""
    update = Progress(job_id, lease, step, 20, {0: f"data:,{step}"})
    return bool(front_end.services.store.progressed([update]))


def is_wished_for(front_end: FrontEnd, job_id: str) -> bool:
    return bool(front_end.services.redis.exists(keys.preview_wish(job_id)))


def test_they_come_to_who_asked_without_an_id_and_the_life_goes_on(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    lease = front_end.worker.take(job_id)
    path = f"/v1/jobs/{job_id}/events?previews=true"
    with front_end.http.stream("GET", path) as answer:
        events = read_events(answer.iter_lines())
        begun = list(islice(events, 2))
        eventually(lambda: is_wished_for(front_end, job_id))
        assert show(front_end, job_id, lease, 7)
        seen = list(islice(events, 2))
        front_end.worker.succeed(job_id, lease)
        rest = list(events)

    assert [event.type for event in begun] == ["queued", "processing"]
    preview = Event("", "preview", {"index": 0, "image": "data:,7"})
    assert preview in seen
    assert [event.type for event in seen if event != preview] == ["progress"]
    assert [event.type for event in rest] == ["succeeded"]
    assert "preview" not in [event.type for event in front_end.events(job_id)]


def test_nobody_else_gets_them_and_without_a_watcher_none_are_wished_for(
    front_end: FrontEnd,
) -> None:
    job_id = front_end.submit()["id"]
    lease = front_end.worker.take(job_id)
    with front_end.following(job_id) as events:
        list(islice(events, 2))
        assert not show(front_end, job_id, lease, 5)
        assert not is_wished_for(front_end, job_id)
        front_end.worker.succeed(job_id, lease)
        rest = list(events)

    assert [event.type for event in rest] == ["progress", "succeeded"]


def test_a_second_watcher_sees_the_newest_at_once(front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    lease = front_end.worker.take(job_id)
    front_end.services.previews.wish(job_id)
    show(front_end, job_id, lease, 9)
    with front_end.http.stream("GET", f"/v1/jobs/{job_id}/events?previews=true") as answer:
        events = list(islice(read_events(answer.iter_lines()), 4))
        front_end.worker.succeed(job_id, lease)

    shown = [event.data for event in events if event.type == "preview"]
    assert shown == [{"index": 0, "image": "data:,9"}]
