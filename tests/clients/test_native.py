"""A job asked for in any dialect is a native one: listed, followed, canceled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.client import Client
from tests.clients.conftest import KEY
from tests.clients.patience import LONG_STEPS, PATIENCE_S
from tests.service import Json, Service, eventually

PROMPT, STEPS = "a red heart", LONG_STEPS
DIALECTS: dict[str, tuple[str, Json]] = {
    "openai": ("/v1/images/generations", {"prompt": PROMPT, "num_inference_steps": STEPS}),
    "replicate": (
        "/v1/models/darkroom/default/predictions",
        {"input": {"prompt": PROMPT, "num_inference_steps": STEPS}},
    ),
    "a1111": ("/sdapi/v1/txt2img", {"prompt": PROMPT, "steps": STEPS}),
    "huggingface": (
        "/hf/models/default",
        {"inputs": PROMPT, "parameters": {"num_inference_steps": STEPS}},
    ),
}


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_job_of_each_dialect_is_listed_streamed_and_canceled_natively(
    house: Service, dialect: str
) -> None:
    path, body = DIALECTS[dialect]
    native = Client(house.url, KEY, timeout_s=PATIENCE_S)
    known = ids(house)
    post: Callable[..., httpx.Response] = house.http.post
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, path, json=body, timeout=PATIENCE_S)
        (job_id,) = eventually(lambda: ids(house) - known)
        seen: list[str] = []
        for event in native.events(job_id):
            seen.append(event.type)
            if event.type == "progress" and "canceling" not in seen:
                seen.append("canceling")
                native.cancel(job_id)
        native.close()

    assert seen[0] == "queued"
    assert seen[-1] == "canceled"
    said: Any = answer.result()
    assert (said.headers["x-job-id"], house.job(job_id)["status"]) == (job_id, "canceled")


def ids(house: Service) -> set[str]:
    return {job["id"] for job in house.http.get("/v1/jobs?limit=100").json()["data"]}
