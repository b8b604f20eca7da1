"""The front end on a real loopback socket, in this process, and its jobs driven by hand.

No worker runs: what one would write is written through the same `JobStore` that workers use.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import uvicorn

from app.client import Event, read_events
from app.connections import BoundedProtocol
from app.dependencies import Services
from app.jobs.catalogue import ModelInfo, WorkerInfo
from app.jobs.images import image_key
from app.jobs.job import FailureCode, Job, JobStatus, StoredImage, now
from app.jobs.spec import GenerationSpec
from app.jobs.store import Progress
from app.main import create_app
from app.settings import Settings
from tests.service import Json, eventually, free_port

MODEL = ModelInfo(
    id="default",
    family="darkroom",
    native_size=64,
    size_multiple=8,
    min_size=64,
    max_size=128,
    default_num_inference_steps=20,
    default_guidance_scale=5.0,
    default_scheduler="ddim",
    schedulers=["ddim", "euler"],
    loras=["ink", "oil"],
    license="MIT",
    created=1_700_000_000,
)
WORKER = WorkerInfo(
    name="by-hand",
    device="cpu",
    models=["default", "other"],
    loaded=["default"],
    slots=8,
    slots_used=0,
    seconds_per_image=0.5,
    is_ready=True,
)


def make_spec(**fields: Any) -> GenerationSpec:
    """A resolved wish; every field may be chosen."""
    chosen: dict[str, Any] = {
        "prompt": "a red heart",
        "model": "default",
        "width": 64,
        "height": 64,
        "num_inference_steps": 20,
        "guidance_scale": 5.0,
        "scheduler": "ddim",
        "seed": 7,
    }
    return GenerationSpec(**{**chosen, **fields})


def make_job(owner: str = "anonymous", **fields: Any) -> Job:
    """A new job that no store knows yet."""
    return Job(
        id=uuid4().hex,
        owner=owner,
        status=JobStatus.QUEUED,
        spec=make_spec(**fields),
        created_at=now(),
    )


@dataclass(frozen=True)
class HandWorker:
    """Moves jobs on as a worker does."""

    services: Services

    def take(self, job_id: str) -> str:
        """Take the job off its queue; the lease."""
        job = self.job(job_id)
        self.services.queues.withdraw(job)
        lease = uuid4().hex
        assert self.services.store.started(job, lease)
        return lease

    def step(self, job_id: str, lease: str, *steps: int) -> None:
        """Publish progress, one event a step."""
        total = self.job(job_id).total_steps
        self.services.store.progressed(Progress(job_id, lease, step, total) for step in steps)

    def store_image(
        self, job_id: str, lease: str, index: int = 0, data: bytes | None = None
    ) -> bytes:
        """Store one picture; its bytes, which are no picture at all unless given."""
        spec = self.job(job_id).spec
        key = image_key(job_id, index, spec.output_format)
        data = data or f"{job_id} {index}".encode()
        self.services.images.put(key, data)
        image = StoredImage(
            index=index,
            key=key,
            seed=spec.seed + index,
            width=spec.width,
            height=spec.height,
            content_type=spec.output_format.content_type,
            bytes=len(data),
            sha256="0" * 64,
        )
        assert self.services.store.image_stored(job_id, lease, image)
        return data

    def succeed(self, job_id: str, lease: str) -> None:
        assert self.services.store.succeeded(self.job(job_id), lease, 0.25)

    def draw(self, job_id: str) -> None:
        """The whole life of a job at once."""
        lease = self.take(job_id)
        self.step(job_id, lease, 10, 20)
        for index in range(self.job(job_id).spec.num_images):
            self.store_image(job_id, lease, index)
        self.succeed(job_id, lease)

    def job(self, job_id: str) -> Job:
        job = self.services.store.get(job_id)
        assert job is not None
        return job


@dataclass(frozen=True)
class FrontEnd:
    """A served application, a client of it and a worker's hand."""

    url: str
    http: httpx.Client
    services: Services
    worker: HandWorker

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def announce(self) -> None:
        """As a worker does when it starts."""
        self.services.catalogue.announce(MODEL)
        self.services.catalogue.beat(WORKER)

    def post(self, headers: Mapping[str, str] | None = None, **wish: Any) -> httpx.Response:
        body = {"prompt": "a red heart", **wish}
        return self.http.post("/v1/jobs", json=body, headers=headers)

    def submit(self, **wish: Any) -> Json:
        answer = self.post(**wish)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return answer.json()

    def submit_and_draw(self, **wish: Any) -> str:
        """A job from its beginning to its end; the id."""
        job_id: str = self.submit(**wish)["id"]
        self.worker.draw(job_id)
        return job_id

    @contextmanager
    def asking(
        self, path: str, body: Json | None = None, **headers: str
    ) -> Generator[tuple[Future[httpx.Response], str]]:
        """A call that does not return before its job ends: the answer to come, and the job's id."""
        known = {job["id"] for job in self.jobs()}
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.http.post, path, json=body, headers=headers)

            def made() -> str | None:
                assert not answer.done(), answer.result().text
                return next((job["id"] for job in self.jobs() if job["id"] not in known), None)

            yield answer, eventually(made)

    def ask(self, path: str, body: Json, **headers: str) -> httpx.Response:
        """The answer to such a call, its job drawn by hand."""
        with self.asking(path, body, **headers) as (answer, job_id):
            self.worker.draw(job_id)
            return answer.result()

    def fail(self, job_id: str, lease: str, message: str) -> None:
        code = FailureCode.GENERATION_FAILED
        assert self.services.store.failed(job_id, lease, code, message)

    def jobs(self) -> list[Json]:
        """The jobs of whoever has no key, newest first."""
        return self.http.get("/v1/jobs").json()["data"]

    def get(self, job_id: str, **headers: str) -> Json:
        answer = self.http.get(f"/v1/jobs/{job_id}", headers=headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    @contextmanager
    def following(self, job_id: str, after: str | None = None) -> Generator[Iterator[Event]]:
        """The events of a job as they come over the wire."""
        headers = {"Last-Event-ID": after} if after else {}
        path = f"/v1/jobs/{job_id}/events"
        with self.http.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == httpx.codes.OK
            yield read_events(answer.iter_lines())

    def events(self, job_id: str, after: str | None = None) -> list[Event]:
        """All events until the stream closes."""
        with self.following(job_id, after) as events:
            return list(events)


@contextmanager
def serving(settings: Settings) -> Generator[FrontEnd]:
    """The application behind a uvicorn thread, as `darkroom api` runs it."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        port=free_port(),
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started, every_s=0.005)
    url = f"http://127.0.0.1:{config.port}"
    services: Services = app.state.services
    with httpx.Client(base_url=url, timeout=10) as http:
        yield FrontEnd(url, http, services, HandWorker(services))
    server.should_exit = True
    thread.join()


def assert_problem(answer: httpx.Response, status: int, code: str) -> Json:
    """The answer is a problem of RFC 9457 with all of our fields; the body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert all(body[field] for field in ("type", "title", "detail"))
    assert ("errors" in body) == (code == "invalid_request")
    return body
