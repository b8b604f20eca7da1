"""A folder of each family, as diffusers saves it, is served by naming it in DARKROOM_MODELS."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.service import Service, Store
from tests.tiny_families import PIPELINES, write_family

FAMILIES = [
    pytest.param(name, marks=[] if name == "sd1" else [pytest.mark.slow]) for name in PIPELINES
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_folder_is_served_by_its_path_alone(store: Store, tmp_path: Path, name: str) -> None:
    folder = write_family(name, tmp_path / "model")
    service = Service(store, folder, tmp_path)
    try:
        service.start_api()
        service.start_worker()

        model = service.http.get("/v1/models/default").json()
        jobs = [service.submit(prompt=f"a red fox (in:{1 + i}) the snow", seed=i) for i in range(2)]
        done = [service.finished(job["id"]) for job in jobs]

        assert model["default_scheduler"] in model["schedulers"]
        for job in done:
            assert job["status"] == "succeeded", job["error"]
            assert job["request"]["num_inference_steps"] == model["default_num_inference_steps"]
            picture = service.http.get(job["images"][0]["url"]).content
            assert Image.open(BytesIO(picture)).size == (64, 64)
    finally:
        service.stop()
