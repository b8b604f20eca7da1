import time
from collections.abc import Iterator

import pytest

from tests.tiny_checkpoint import TinyPipeline
from tests.worker.drive import a_spec
from worker.engine import Engine
from worker.engine_thread import (
    Admit,
    Cancel,
    Dead,
    EngineThread,
    Quit,
    Ready,
    Rejected,
    Stepped,
    Warned,
)


@pytest.fixture
def thread(pipeline: TinyPipeline) -> Iterator[EngineThread]:
    thread = EngineThread(lambda: Engine(pipeline, 4))
    thread.start()
    assert thread.outbox.get(timeout=5) == Ready()
    yield thread
    thread.inbox.put(Quit())
    thread.join(5)
    assert not thread.is_alive()


def finished_within(thread: EngineThread, count: int) -> list[str]:
    """The ids of the next finished jobs, in order."""
    job_ids: list[str] = []
    while len(job_ids) < count:
        event = thread.outbox.get(timeout=5)
        assert isinstance(event, Stepped)
        job_ids += [finished.job_id for finished in event.report.finished]
    return job_ids


def test_jobs_go_in_and_reports_come_out(thread: EngineThread) -> None:
    thread.inbox.put(Admit("long", a_spec(num_inference_steps=6)))
    thread.inbox.put(Admit("short", a_spec(num_inference_steps=2)))

    assert finished_within(thread, 2) == ["short", "long"]


def test_a_refused_job_is_named_and_the_others_go_on(thread: EngineThread) -> None:
    thread.inbox.put(Admit("bad", a_spec(width=72)))
    thread.inbox.put(Admit("good", a_spec()))

    rejected = thread.outbox.get(timeout=5)

    assert isinstance(rejected, Rejected)
    assert rejected.job_id == "bad"
    assert "width 72" in str(rejected.error)
    assert finished_within(thread, 1) == ["good"]


def test_a_prompt_that_is_cut_is_said_so(thread: EngineThread) -> None:
    thread.inbox.put(Admit("long", a_spec(prompt="word " * 100)))

    warned = thread.outbox.get(timeout=5)

    assert isinstance(warned, Warned)
    assert warned.job_id == "long"
    assert warned.warnings == ("prompt: longer than this model reads; its end was left out",)


def test_skipped_images_are_not_drawn(thread: EngineThread) -> None:
    thread.inbox.put(Admit("job", a_spec(num_images=2), frozenset({0, 1})))

    event = thread.outbox.get(timeout=5)

    assert isinstance(event, Stepped)
    assert not event.report.images
    assert [finished.job_id for finished in event.report.finished] == ["job"]


def test_a_canceled_job_frees_the_engine(thread: EngineThread) -> None:
    thread.inbox.put(Admit("gone", a_spec(num_inference_steps=150)))
    thread.outbox.get(timeout=5)

    thread.inbox.put(Cancel("gone"))
    thread.inbox.put(Admit("next", a_spec(num_inference_steps=1)))

    assert finished_within(thread, 1) == ["next"]


def test_the_watchdog_sees_work_and_rest(thread: EngineThread) -> None:
    before = thread.last_step
    assert not thread.busy

    thread.inbox.put(Admit("job", a_spec(num_inference_steps=150)))
    thread.outbox.get(timeout=5)
    was_busy = thread.busy
    finished_within(thread, 1)

    deadline = time.monotonic() + 5
    while thread.busy and time.monotonic() < deadline:
        time.sleep(0.001)
    assert was_busy
    assert not thread.busy
    assert thread.last_step > before


def test_a_model_that_does_not_load_is_reported() -> None:
    def factory() -> Engine:
        raise OSError("no such checkpoint")

    thread = EngineThread(factory)
    thread.start()

    event = thread.outbox.get(timeout=5)

    assert isinstance(event, Dead)
    assert str(event.error) == "no such checkpoint"
    thread.join(5)
    assert not thread.is_alive()


def test_a_broken_device_ends_the_thread_and_says_why(pipeline: TinyPipeline) -> None:
    def break_down(_module: object, _inputs: object) -> None:
        raise RuntimeError("unspecified launch failure")

    hook = pipeline.family.denoiser.register_forward_pre_hook(break_down)
    thread = EngineThread(lambda: Engine(pipeline, 4))
    thread.start()
    thread.inbox.put(Admit("job", a_spec()))

    events = [thread.outbox.get(timeout=5) for _ in range(2)]

    hook.remove()
    assert isinstance(events[1], Dead)
    assert "launch failure" in str(events[1].error)
    thread.join(5)
    assert not thread.busy
