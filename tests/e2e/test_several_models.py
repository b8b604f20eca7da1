"""Two models on two workers under mixed load: every picture by its own model, none left waiting."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.pipeline import LatentDiffusionPipeline, Pixels
from tests.service import Json, Service, Store, eventually
from tests.tiny_families import write_family

pytestmark = pytest.mark.timeout(180)

MODELS = ("sd1", "sdxl")
WISH = {"num_inference_steps": 3, "scheduler": "euler", "width": 64, "height": 64}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_family(name, root / name) for name in MODELS}


def a_service(store: Store, folders: dict[str, Path], folder: Path, **settings: str) -> Service:
    models = ",".join(f"{name}={path}" for name, path in folders.items())
    service = Service(store, folders[MODELS[0]], folder, models=models, **settings)
    service.start_api()
    return service


def mixed_load(service: Service, jobs: int) -> list[Json]:
    """Two of the first model for every one of the second, with seeds of their own."""
    names = [MODELS[i % 3 == 2] for i in range(jobs)]
    return [service.submit(model=name, seed=i, **WISH) for i, name in enumerate(names)]


def picture(service: Service, job: Json) -> Pixels:
    data = service.http.get(job["images"][0]["url"]).content
    return np.asarray(Image.open(BytesIO(data)))


def assert_drawn_by_its_model(service: Service, jobs: list[Json], folders: dict[str, Path]) -> None:
    pipelines = {
        name: LatentDiffusionPipeline.from_checkpoint(path) for name, path in folders.items()
    }
    for job in jobs:
        assert job["status"] == "succeeded", job["error"]
        wish = job["request"]
        expected = pipelines[wish["model"]](
            wish["prompt"], guidance_scale=wish["guidance_scale"], seed=wish["seed"], **WISH
        )
        apart = np.abs(picture(service, job).astype(int) - expected.astype(int))
        assert apart.max() <= 2, wish["model"]


def test_each_worker_draws_for_its_own_model(
    store: Store, folders: dict[str, Path], tmp_path: Path
) -> None:
    service = a_service(store, folders, tmp_path)
    try:
        workers = [service.start_worker(wait=False, serve_models=name) for name in MODELS]
        for name in MODELS:
            eventually(lambda name=name: loaded_on(service, name), 90)

        jobs = [service.finished(job["id"]) for job in mixed_load(service, 12)]

        assert_drawn_by_its_model(service, jobs, folders)
        assert len({loaded_on(service, name)[0] for name in MODELS}) == 2
        assert all(worker.said().count("model.loaded") == 1 for worker in workers)
    finally:
        service.stop()


def test_models_share_workers_that_can_hold_but_one(
    store: Store, folders: dict[str, Path], tmp_path: Path
) -> None:
    service = a_service(store, folders, tmp_path, model_memory_gib="0.0000001")
    try:
        worker = service.start_worker()
        assert loaded_on(service, MODELS[0])
        assert not loaded_on(service, MODELS[1])

        jobs = [service.finished(job["id"], 120) for job in mixed_load(service, 9)]

        assert_drawn_by_its_model(service, jobs, folders)
        assert "model.unloaded sd1" in worker.said()
        assert 2 <= worker.said().count("model.loaded") <= 9
    finally:
        service.stop()


def loaded_on(service: Service, model: str) -> list[str]:
    answer = service.http.get(f"/v1/models/{model}")
    return answer.json()["loaded_on"] if answer.is_success else []
