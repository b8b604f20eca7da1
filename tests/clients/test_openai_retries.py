"""How often OpenAI's client asks again: steered by what we answer, and counted."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.app.front_end import FrontEnd
from tests.service import eventually

pytestmark = pytest.mark.timeout(60)


class Counted:
    """A client that notes every request by the client's own count, and every answer's status."""

    def __init__(self, front_end: FrontEnd, **options: Any) -> None:
        self.tries: list[str] = []
        self.statuses: list[int] = []
        hooks: Any = {
            "request": [lambda sent: self.tries.append(sent.headers["x-stainless-retry-count"])],
            "response": [lambda answer: self.statuses.append(answer.status_code)],
        }
        http = DefaultHttpxClient(event_hooks=hooks)
        url = f"{front_end.url}/v1"
        self._client = OpenAI(base_url=url, api_key="x", http_client=http, **options)

    def draw(self) -> Any:
        with self._client:
            return self._client.images.generate(prompt="a red heart")


def test_a_full_queue_is_asked_again_and_then_takes_the_job(narrow: FrontEnd) -> None:
    client, first = Counted(narrow), narrow.submit()["id"]
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(client.draw)
        eventually(lambda: client.statuses == [503])
        narrow.http.post(f"/v1/jobs/{first}/cancel")
        eventually(lambda: len(narrow.jobs()) == 2)
        narrow.worker.draw(narrow.jobs()[0]["id"])

    assert drawn.result().id == narrow.jobs()[0]["id"]
    assert client.tries == ["0", "1"]
    assert client.statuses == [503, 200]


def test_a_queue_that_stays_full_is_an_error_with_its_reason(narrow: FrontEnd) -> None:
    client = Counted(narrow)
    narrow.submit()

    with pytest.raises(openai.InternalServerError, match="503 - 1 jobs wait already") as refused:
        client.draw()

    assert client.tries == ["0", "1", "2"]
    assert refused.value.response.headers["retry-after"] == "1"
    assert refused.value.code == "queue_full"
    assert len(narrow.jobs()) == 1


def test_a_failed_job_is_not_drawn_again(narrow: FrontEnd) -> None:
    client = Counted(narrow)
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(client.draw)
        job = eventually(lambda: next(iter(narrow.jobs()), None))
        narrow.fail(job["id"], narrow.worker.take(job["id"]), "out of luck")
        with pytest.raises(openai.InternalServerError, match="out of luck") as failed:
            drawn.result()

    assert client.tries == ["0"]
    assert job["id"] in str(failed.value)
    assert len(narrow.jobs()) == 1


def test_a_canceled_job_is_a_conflict_and_not_drawn_again(narrow: FrontEnd) -> None:
    client = Counted(narrow)
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(client.draw)
        job = eventually(lambda: next(iter(narrow.jobs()), None))
        narrow.http.post(f"/v1/jobs/{job['id']}/cancel")
        with pytest.raises(openai.ConflictError, match="it was canceled"):
            drawn.result()

    assert client.tries == ["0"]


def test_an_impatient_client_leaves_no_jobs_behind(narrow: FrontEnd) -> None:
    client = Counted(narrow, timeout=2.0)

    with pytest.raises(openai.APITimeoutError):
        client.draw()

    assert client.tries == ["0", "1", "2"]
    eventually(lambda: {job["status"] for job in narrow.jobs()} == {"canceled"})


def test_a_model_that_nobody_serves_yet_is_an_error_with_its_reason(narrow: FrontEnd) -> None:
    narrow.services.redis.flushall()
    client = Counted(narrow, max_retries=0)

    with pytest.raises(openai.InternalServerError, match="No worker has announced") as refused:
        client.draw()

    assert refused.value.response.headers["retry-after"] == "2"
