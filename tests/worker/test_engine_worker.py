"""The worker's loop, turn by turn on a real Valkey; the test speaks as its engine would."""

import time
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from redis import Redis

from app.jobs import keys
from app.jobs.catalogue import Catalogue, ModelInfo
from app.jobs.images import ImageStore, image_key
from app.jobs.job import Job, JobStatus, StoredImage
from app.jobs.queues import MAX_ATTEMPTS, JobQueues
from app.jobs.store import JobStore
from tests.worker.in_hand import MODEL, a_bookkeeper, admitted
from worker.affinity import Affinity
from worker.engine_thread import Admit, Cancel, EngineThread, Order, Ready, Stepped, Warned
from worker.engine_worker import EngineWorker, Terms
from worker.flight import Flight
from worker.report import Finished, FinishedImage, Report

PIXELS = np.zeros((64, 64, 3), np.uint8)
WIP = "rq:wip:normal:tiny"


def never() -> None:
    raise AssertionError("the thread is not started")


class Bench:
    """A worker whose engine is the test."""

    def __init__(self, redis: Redis, folder: Path, slots: int = 4) -> None:
        self.redis = redis
        self.store = JobStore(redis, JobQueues(redis), job_ttl_s=600)
        self.images = ImageStore(folder.as_uri())
        self.engine = EngineThread(never)
        self.worker = EngineWorker(
            name="bench",
            device="cpu",
            models=[a_model()],
            affinity=Affinity({"tiny": 1}),
            slots=slots,
            terms=Terms(lease_s=15, drain_s=1, stall_s=60),
            store=self.store,
            catalogue=Catalogue(redis),
            images=self.images,
            engine=self.engine,
            redis=redis,
        )
        self.worker.register_birth()
        self.engine.outbox.put(Ready())
        self.turn()

    def turn(self) -> None:
        self.worker._round()
        self.worker._listen()

    def orders(self) -> list[Order]:
        """What the engine was told since the last time."""
        return [self.engine.inbox.get() for _ in range(self.engine.inbox.qsize())]

    def admission(self) -> Admit:
        self.turn()
        (order,) = self.orders()
        assert isinstance(order, Admit)
        return order

    def draw(self, lease: str, indices: tuple[int, ...] = (0,)) -> None:
        """The engine's last word of a job."""
        images = tuple(FinishedImage(lease, index, 1, PIXELS) for index in indices)
        self.engine.outbox.put(
            Stepped(Report(images=images, finished=(Finished(lease, 0.5, "torch 2"),)))
        )

    def until_ended(self, job: Job) -> Job:
        give_up_at = time.monotonic() + 5
        while not (found := self.store.get(job.id)) or not found.status.is_terminal:
            assert time.monotonic() < give_up_at
            self.turn()
        return found

    def told(self, job: Job) -> list[str]:
        found = self.redis.xrange(keys.events(job.id))
        return [fields[b"type"].decode() for _, fields in found]


def a_model() -> ModelInfo:
    return ModelInfo(
        id=MODEL, family="default", native_size=64, size_multiple=16, min_size=64, max_size=128,
        default_num_inference_steps=4, default_guidance_scale=4, default_scheduler="ddim",
        schedulers=["ddim"], license="none", created=0,
    )  # fmt: skip


@pytest.fixture
def bench(redis: Redis, tmp_path: Path) -> Bench:
    return Bench(redis, tmp_path / "images")


def lose(bench: Bench) -> None:
    """Let all leases run out and have another worker put the jobs back, suspected of nothing."""
    for entry in bench.redis.zrange(WIP, 0, -1):
        bench.redis.zadd(WIP, {entry: 1})
    bench.redis.delete("darkroom:recovery")
    a_bookkeeper(bench.redis).recover()
    for key in bench.redis.scan_iter("rq:job:*"):
        bench.redis.hset(key, "retries_left", MAX_ATTEMPTS - 1)


def test_a_job_goes_in_and_comes_out(bench: Bench) -> None:
    job = admitted(bench.redis, num_images=2)
    bench.draw(bench.admission().job_id, (0, 1))

    done = bench.until_ended(job)

    assert done.status is JobStatus.SUCCEEDED
    assert (done.engine_s, done.engine) == (0.5, "torch 2")
    assert bench.told(job) == ["queued", "processing", "image", "image", "succeeded"]
    assert all(bench.images.get(image.key) for image in done.images)


def test_what_is_not_heeded_stands_with_the_job(bench: Bench) -> None:
    job = admitted(bench.redis)
    lease = bench.admission().job_id
    bench.engine.outbox.put(Warned(lease, ("prompt: too long",)))
    bench.draw(lease)

    done = bench.until_ended(job)

    assert done.warnings == ["prompt: too long"]
    assert "warning" not in "".join(bench.told(job))


def test_a_beginning_that_redis_interrupted_is_taken_up_again(bench: Bench) -> None:
    job = admitted(bench.redis)
    taken = bench.worker.take()
    assert taken is not None
    flight = Flight(job, bench.worker.begin(taken))
    bench.worker._flights[flight.lease] = flight  # here the connection broke
    bench.worker._beat.hasten()

    order = bench.admission()

    assert order.job_id == flight.lease
    bench.draw(order.job_id)
    assert bench.until_ended(job).status is JobStatus.SUCCEEDED


def test_a_lost_attempt_says_nothing_for_the_next_one_of_the_same_worker(bench: Bench) -> None:
    job = admitted(bench.redis)
    first = bench.admission().job_id
    lose(bench)
    second = bench.admission().job_id
    assert first != second
    bench.engine.outbox.put(Stepped(Report(finished=(Finished(first, 9.9),))))
    bench.worker._beat.hasten()
    bench.turn()

    assert bench.orders() == [Cancel(first)]
    assert list(bench.worker._flights) == [second]
    bench.draw(second)
    done = bench.until_ended(job)
    assert (done.engine_s, done.attempts) == (0.5, 2)
    assert bench.told(job).count("succeeded") == 1
    assert not bench.redis.exists(WIP)


def test_a_job_canceled_while_it_is_being_taken_never_enters(bench: Bench) -> None:
    job = admitted(bench.redis)
    taken = bench.worker.take()
    assert taken is not None
    bench.store.cancel(job)
    flight = Flight(job, bench.worker.begin(taken))
    bench.worker._flights[flight.lease] = flight
    bench.turn()
    bench.turn()

    assert bench.orders() == []
    assert bench.worker._flights == {}
    assert bench.told(job) == ["queued", "canceled"]
    assert not bench.redis.exists(WIP)


def test_a_job_whose_pictures_are_all_told_has_nothing_left_to_draw(bench: Bench) -> None:
    job = admitted(bench.redis)
    key = image_key(job.id, 0, job.spec.output_format)
    picture = StoredImage(
        index=0, key=key, seed=1, width=64, height=64,
        content_type="image/png", bytes=1, sha256="",
    )  # fmt: skip
    bench.redis.hset(keys.record(job.id), "image:0", picture.model_dump_json())

    order = bench.admission()

    assert order.skip == {0}
    bench.draw(order.job_id, ())
    assert bench.until_ended(job).status is JobStatus.SUCCEEDED
    assert "image" not in bench.told(job)


def test_one_picture_that_cannot_be_stored_fails_the_job_and_the_others_go(
    bench: Bench, tmp_path: Path
) -> None:
    job = admitted(bench.redis, num_images=3)
    lease = bench.admission().job_id
    in_the_way = tmp_path / "images" / image_key(job.id, 1, job.spec.output_format)
    in_the_way.mkdir(parents=True)
    (in_the_way / "full").write_text("")
    bench.draw(lease, (1, 0, 2))

    done = bench.until_ended(job)
    bench.worker._hearing.close()
    for _ in range(3):
        bench.turn()

    assert done.status is JobStatus.FAILED
    listed = {image.key for image in done.images}
    lying = {
        key for i in (0, 2) if bench.images.get(key := image_key(job.id, i, job.spec.output_format))
    }
    assert lying == listed
    assert bench.orders() == [Cancel(lease)]


def test_a_job_on_its_second_attempt_runs_alone(bench: Bench) -> None:
    companion = admitted(bench.redis)
    lease = bench.admission().job_id
    suspect, later = admitted(bench.redis), admitted(bench.redis)
    bench.redis.hset(f"rq:job:{suspect.id}", "retries_left", MAX_ATTEMPTS - 2)
    bench.turn()
    assert bench.orders() == []
    assert bench.redis.lrange("rq:queue:normal:tiny", 0, -1) == [
        suspect.id.encode(), later.id.encode(),
    ]  # fmt: skip

    bench.draw(lease)
    bench.until_ended(companion)
    alone = bench.admission()
    bench.turn()
    assert bench.orders() == []
    bench.draw(alone.job_id)
    assert bench.until_ended(suspect).status is JobStatus.SUCCEEDED
    bench.draw(bench.admission().job_id)
    assert bench.until_ended(later).status is JobStatus.SUCCEEDED


def test_an_idle_worker_hears_the_bell_at_once(bench: Bench) -> None:
    submitted = list[float]()

    def submit() -> None:
        admitted(bench.redis)
        submitted.append(time.monotonic())

    Timer(0.2, submit).start()
    bench.turn()
    bench.turn()
    latency_s = time.monotonic() - submitted[0]

    assert isinstance(bench.orders()[0], Admit)
    assert latency_s < 0.3


def test_a_record_of_another_version_fails_and_blocks_nothing(bench: Bench) -> None:
    strange, job = admitted(bench.redis), admitted(bench.redis)
    bench.redis.hset(keys.record(strange.id), "spec", '{"of": "the future"}')

    bench.draw(bench.admission().job_id)

    assert bench.until_ended(job).status is JobStatus.SUCCEEDED
    assert bench.redis.hget(keys.record(strange.id), "status") == b"failed"


def test_what_redis_forgot_is_announced_again(bench: Bench) -> None:
    bench.redis.flushall()
    bench.worker._beat.hasten()
    bench.turn()
    assert [model.id for model in Catalogue(bench.redis).models()] == [MODEL]
    assert [worker.is_ready for worker in Catalogue(bench.redis).workers()] == [True]
