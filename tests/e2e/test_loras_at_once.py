"""LoRAs of a folder over HTTP: several jobs at once, each with its own."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import families
from models.pipeline import LatentDiffusionPipeline
from tests.service import Service, Store
from tests.tiny_families import write_family
from tests.tiny_loras import random_pairs, write_peft

WISHES = ({}, {"ink": 0.8}, {"oil": -0.5}, {"ink": 0.3, "lace": 1.0})
STEPS = 12


@pytest.mark.timeout(120)
def test_jobs_of_three_loras_and_of_none_at_once(store: Store, tmp_path: Path) -> None:
    folder = write_family("sd1", tmp_path / "model")
    pipeline = LatentDiffusionPipeline(families.load(folder))
    offered = tmp_path / "loras"
    offered.mkdir()
    pipeline.family.loras.files = {
        name: write_peft(random_pairs(pipeline.family, seed), offered / f"{name}.safetensors")
        for seed, name in enumerate(("ink", "oil", "lace"))
    }
    service = Service(store, folder, tmp_path, lora_dir=str(offered))
    try:
        service.start_api()
        service.start_worker()
        jobs = [
            service.submit(
                prompt="a red fox",
                seed=seed,
                num_inference_steps=STEPS,
                loras=[{"name": name, "weight": weight} for name, weight in wish.items()],
            )
            for seed, wish in enumerate(WISHES)
        ]
        done = [service.finished(job["id"]) for job in jobs]
        assert [job["status"] for job in done] == ["succeeded"] * len(WISHES)
        files = [service.http.get(job["images"][0]["url"]).content for job in done]
    finally:
        service.stop()

    for seed, (wish, file) in enumerate(zip(WISHES, files, strict=True)):
        drawn = np.asarray(Image.open(BytesIO(file))).astype(int)
        alone = pipeline(
            "a red fox", seed=seed, num_inference_steps=STEPS, loras=tuple(wish.items())
        )
        without = pipeline("a red fox", seed=seed, num_inference_steps=STEPS)
        assert np.abs(drawn - alone).max() <= 1
        assert (np.abs(drawn - without).max() > 8) == bool(wish)
