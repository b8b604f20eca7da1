"""Replicate's own client, first version, as its users write it."""

import json
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.prediction import Prediction
from replicate.webhook import Webhooks, WebhookSigningSecret, WebhookValidationError

from app.predictions import progress_line
from tests.app.front_end import FrontEnd
from tests.app.webhooks.receiver import OLD_SECRET, receiving
from tests.clients.conftest import KEY
from tests.clients.patience import LONG_STEPS, PATIENCE_S
from tests.service import Json, Service, eventually

pytestmark = pytest.mark.timeout(PATIENCE_S)

MODEL = "darkroom/default"
SHORT: dict[str, Any] = {"prompt": "a red heart", "num_inference_steps": 2}
LONG: dict[str, Any] = {"prompt": "a red heart", "num_inference_steps": LONG_STEPS}


@contextmanager
def connected(url: str, key: str = "any") -> Generator[Client]:
    """A client whose connections are closed at the end; it never does that itself."""
    client = Client(api_token=key, base_url=url)
    yield client
    client._client.close()


@pytest.fixture
def client(house: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.1")
    with connected(house.url, KEY) as client:
        yield client


def test_run_gives_files(client: Client, model: Json) -> None:
    version = client.models.get(MODEL).latest_version
    assert version is not None
    for reference in (MODEL, f"{MODEL}:{version.id}"):
        (output,) = client.run(reference, input=SHORT)

        assert Image.open(BytesIO(output.read())).size == (model["native_size"],) * 2


def test_run_waits_on_when_the_wait_is_over(narrow: FrontEnd) -> None:
    """The trap: any status but `starting` would be taken for the end, and give None."""
    with connected(narrow.url) as client, ThreadPoolExecutor(1) as pool:
        version = narrow.http.get("/v1/models/darkroom/default").json()["latest_version"]["id"]
        output = pool.submit(client.run, f"{MODEL}:{version}", input=SHORT, wait=1)
        job = eventually(lambda: next(iter(narrow.jobs()), None))
        lease = narrow.worker.take(job["id"])
        time.sleep(1.5)  # the wait of one second is over; the job is being processed
        file = narrow.worker.store_image(job["id"], lease)
        narrow.worker.succeed(job["id"], lease)

    (found,) = output.result()
    assert found.read() == file


def test_a_failed_run_is_a_model_error_with_its_reason(narrow: FrontEnd) -> None:
    with connected(narrow.url) as client, ThreadPoolExecutor(1) as pool:
        output = pool.submit(client.run, MODEL, input=SHORT)
        job = eventually(lambda: next(iter(narrow.jobs()), None))
        narrow.fail(job["id"], narrow.worker.take(job["id"]), "out of luck")
        with pytest.raises(ModelError, match="out of luck"):
            output.result()


def test_create_and_wait_and_its_twin_in_the_native_list(client: Client, house: Service) -> None:
    prediction = client.predictions.create(version="default", input={**SHORT, "num_outputs": 2})
    assert prediction.status == "starting"
    listed = house.http.get("/v1/jobs").json()["data"]
    assert prediction.id in [job["id"] for job in listed]

    prediction.wait()

    assert prediction.status == "succeeded"
    assert prediction.output
    assert len(prediction.output) == 2
    progress = prediction.progress
    assert progress is not None
    assert (progress.current, progress.total) == (2, 2)
    assert prediction.id in [one.id for one in client.predictions.list().results]


def test_cancel_ends_it(client: Client, house: Service) -> None:
    prediction = client.models.predictions.create(model=MODEL, input=LONG)

    prediction.cancel()
    prediction.wait()

    assert prediction.status == "canceled"
    assert house.finished(prediction.id)["status"] == "canceled"


def test_a_deployment_is_the_model(client: Client) -> None:
    deployment = client.deployments.get(MODEL)
    prediction = deployment.predictions.create(input=SHORT)

    prediction.wait()

    assert prediction.status == "succeeded"


def test_a_stream_has_logs_and_the_picture_and_ends(client: Client) -> None:
    events = list(client.stream(MODEL, input=SHORT))

    assert events[-1].event.value == "done"
    (output,) = [event for event in events if event.event.value == "output"]
    data: Any = output.data
    assert Image.open(BytesIO(data.read())).format == "PNG"
    assert Prediction.Progress.parse("\n".join(e.data for e in events if e.event.value == "logs"))


def test_our_progress_line_is_one_that_the_client_reads() -> None:
    found = Prediction.Progress.parse(f"Using seed: 7\n{progress_line(8, 20)}")

    assert found == Prediction.Progress(0.4, 8, 20)


def test_errors_carry_their_detail(client: Client, house: Service) -> None:
    with pytest.raises(ReplicateError) as refused:
        client.run(MODEL, input={"prompt": "a red heart", "width": 7})
    error = refused.value
    assert error.status == 422
    assert str(error.detail).startswith("input.width: ")
    assert error.instance == f"/v1/models/{MODEL}/predictions"

    with pytest.raises(ReplicateError) as refused:
        client.run("darkroom/nope", input=SHORT)
    assert (refused.value.status, refused.value.title) == (404, "There is no such thing")

    with connected(house.url, "wrong") as stranger, pytest.raises(ReplicateError) as refused:
        stranger.predictions.list()
    assert refused.value.status == 401


def test_a_webhook_passes_the_clients_own_check(client: Client) -> None:
    with receiving() as receiver:
        prediction = client.predictions.create(
            version="default",
            input=SHORT,
            webhook=receiver.url,
            webhook_events_filter=["start", "completed"],
        )
        eventually(lambda: len(receiver.received) == 2, PATIENCE_S)

    secret = client.webhooks.default.secret()
    for got in receiver.received:
        Webhooks.validate(headers=got.headers, body=got.body.decode(), secret=secret, tolerance=60)
        with pytest.raises(WebhookValidationError):
            Webhooks.validate(
                headers=got.headers,
                body=got.body.decode(),
                secret=WebhookSigningSecret(key=OLD_SECRET),
            )
    told = {json.loads(got.body)["status"]: json.loads(got.body) for got in receiver.received}
    assert set(told) == {"processing", "succeeded"}
    assert {one["id"] for one in told.values()} == {prediction.id}
    (url,) = told["succeeded"]["output"]
    assert httpx.get(url).headers["content-type"] == "image/png"


def test_account_and_hardware_can_be_asked(client: Client) -> None:
    assert client.accounts.current().username == "darkroom"
    assert [one.sku for one in client.hardware.list()] == ["cpu"]
