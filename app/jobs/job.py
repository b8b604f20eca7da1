"""A job as it is known inside: the record that Redis holds, and the events of its life.

Knows no HTTP and no URLs: records hold storage keys, URLs are made when they are read.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel

from app.jobs.spec import GenerationSpec
from app.jobs.webhook import Webhook


class JobStatus(StrEnum):
    """Statuses only move forward; a terminal job never changes."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self not in OPEN


class Dialect(StrEnum):
    """In whose words a job was asked for, and its webhooks are told."""

    NATIVE = "native"
    OPENAI = "openai"
    REPLICATE = "replicate"
    A1111 = "a1111"
    HUGGINGFACE = "huggingface"


JOB_ID = re.compile(r"[0-9a-f]{32}")
OPEN = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING})
TERMINAL_TYPES = frozenset(status.value for status in JobStatus if status.is_terminal)


class FailureCode(StrEnum):
    """Why a job failed, in words a client can act on."""

    OUT_OF_MEMORY = "out_of_memory"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    WORKER_LOST = "worker_lost"
    CONTENT_REJECTED = "content_rejected"
    GENERATION_FAILED = "generation_failed"


class JobError(BaseModel, frozen=True):
    code: str
    message: str


class StoredImage(BaseModel, frozen=True):
    """A finished picture of a job: where it lies and what it is. Sizes in pixels and bytes."""

    index: int
    key: str
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str


class Job(BaseModel, frozen=True, hide_input_in_errors=True):
    """The record of one job.

    Attributes:
        lease: Names the one execution that may write results; empty until a worker takes it.
        step: Denoising steps done, as the mean over the job's images.
        engine_s: Seconds from the engine's taking the job to its last picture.
        engine: What drew it: runtime, version and mode. Equal names draw equal bytes.
        traceparent: Of the request that submitted it (W3C Trace Context); empty without tracing.
    """

    id: str
    owner: str
    status: JobStatus
    spec: GenerationSpec
    dialect: Dialect = Dialect.NATIVE
    metadata: dict[str, str] = {}
    webhook: Webhook | None = None
    warnings: list[str] = []
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    step: int = 0
    images: list[StoredImage] = []
    error: JobError | None = None
    attempts: int = 0
    lease: str = ""
    is_cancel_requested: bool = False
    engine_s: float | None = None
    engine: str | None = None
    traceparent: str = ""

    @property
    def total_steps(self) -> int:
        return self.spec.num_inference_steps

    @classmethod
    def from_record(cls, fields: Mapping[str, str]) -> Self:
        """Read a Redis hash of `to_record`'s form; pictures stand in fields of their own."""
        values: dict[str, Any] = {k: v for k, v in fields.items() if not k.startswith("image:")}
        for name in ("spec", "metadata", "webhook", "warnings", "error"):
            if name in values:
                values[name] = json.loads(values[name])
        images = [json.loads(v) for k, v in fields.items() if k.startswith("image:")]
        values["images"] = sorted(images, key=lambda image: image["index"])
        return cls.model_validate(values)

    def to_record(self) -> dict[str, str]:
        """The fields of a new job's hash; what is not known yet is left out."""
        record = {
            "id": self.id,
            "owner": self.owner,
            "status": self.status.value,
            "spec": self.spec.model_dump_json(),
            "dialect": self.dialect.value,
            "metadata": json.dumps(self.metadata),
            "warnings": json.dumps(self.warnings),
            "created_at": self.created_at.isoformat(),
        }
        if self.traceparent:
            record["traceparent"] = self.traceparent
        if self.webhook:
            record["webhook"] = self.webhook.model_dump_json()
        return record


class JobEvent(BaseModel, frozen=True, hide_input_in_errors=True):
    """One entry of a job's stream. `job` is set for events of status, `data` for the others."""

    id: str
    type: str
    data: dict[str, Any]

    @property
    def is_preview(self) -> bool:
        """Of the moment only: it has no id, no place in the history, and is never sent again."""
        return not self.id

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL_TYPES

    @property
    def job(self) -> Job | None:
        """The job as it was when the event happened."""
        return Job.from_record(self.data) if "status" in self.data else None


def is_job_id(text: str) -> bool:
    """Whether this can be the id of a job; nothing else may become part of a key."""
    return JOB_ID.fullmatch(text) is not None


def now() -> datetime:
    return datetime.now(UTC)
