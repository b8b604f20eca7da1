"""Any order of submit, cancel, fetch, follow and delete: Hypothesis draws it, a model foretells."""

import uuid
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.faults.history import TERMINAL
from tests.service import Json, Service

ORDER = {"queued": 0, "processing": 1, **dict.fromkeys(TERMINAL, 2)}


class JobMachine(RuleBasedStateMachine):
    """One client. `ends` and `furthest` are what must still be true when it asks again."""

    jobs = Bundle("jobs")
    service: Service

    @initialize()
    def begin(self) -> None:
        self.http = self.service.http
        self.furthest = dict[str, str]()
        self.ends = dict[str, Json]()
        self.names = dict[str, tuple[Json, str]]()
        self.erased = set[str]()
        self.run = uuid.uuid4().hex

    # -- what a client may do --

    @rule(
        target=jobs,
        steps=st.integers(1, 12),
        images=st.integers(1, 3),
        name=st.none() | st.integers(0, 3),
        wait_s=st.integers(0, 1),
    )
    def submit(self, steps: int, images: int, name: int | None, wait_s: int) -> Any:
        wish: Json = {"prompt": "a heart", "num_inference_steps": steps, "num_images": images}
        wish["metadata"] = {"run": self.run}
        key = f"{self.run}-{name}"
        headers = {"Prefer": f"wait={wait_s}"} | ({} if name is None else {"Idempotency-Key": key})
        answer = self.http.post("/v1/jobs", json=wish, headers=headers)
        first, known = self.names.get(key, (wish, "")) if name is not None else (wish, "")
        if first != wish:
            assert answer.status_code == 422
            return multiple()
        if known in self.erased:
            assert answer.status_code == 410
            return multiple()
        job = self.see(answer, (200, 202))
        assert known in ("", job["id"])
        assert (answer.status_code == 200) <= (job["status"] in TERMINAL)
        if name is not None:
            self.names[key] = wish, job["id"]
        return multiple() if known else job["id"]

    @rule(job_id=jobs)
    def fetch(self, job_id: str) -> None:
        self.see(self.http.get(f"/v1/jobs/{job_id}"), (200,))

    @rule(job_id=jobs)
    def wait(self, job_id: str) -> None:
        job = self.see(self.http.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"}), (200,))
        assert job["status"] in TERMINAL

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        was = self.furthest[job_id]
        job = self.see(self.http.post(f"/v1/jobs/{job_id}/cancel"), (200,))
        assert was in TERMINAL or job["status"] != "queued"

    @rule(job_id=jobs)
    def follow(self, job_id: str) -> None:
        kinds = [
            line.removeprefix("event: ")
            for line in self.http.get(f"/v1/jobs/{job_id}/events").text.splitlines()
            if line.startswith("event: ")
        ]
        assert kinds[0] == "queued"
        assert [kind for kind in kinds if kind in TERMINAL] == kinds[-1:]
        job = self.see(self.http.get(f"/v1/jobs/{job_id}"), (200,))
        assert job["status"] == kinds[-1]
        assert kinds.count("image") == len(job["images"])

    @rule()
    def list_all(self) -> None:
        listed = self.http.get("/v1/jobs", params={"limit": "100"}).json()["data"]
        mine = {job["id"] for job in listed if job["metadata"].get("run") == self.run}
        assert mine == self.furthest.keys()

    @rule(job_id=consumes(jobs))
    def erase(self, job_id: str) -> None:
        job = self.see(self.http.get(f"/v1/jobs/{job_id}"), (200,))
        assert self.http.delete(f"/v1/jobs/{job_id}").status_code == 204
        self.erased.add(job_id)
        del self.furthest[job_id]
        self.ends.pop(job_id, None)
        for path in ("", "/events", "/deliveries"):
            assert self.http.get(f"/v1/jobs/{job_id}{path}").status_code == 404
        assert self.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 404
        assert self.http.delete(f"/v1/jobs/{job_id}").status_code == 404
        for image in job["images"]:
            assert httpx.get(image["url"]).status_code == 404

    # -- what it believes --

    def see(self, answer: httpx.Response, allowed: tuple[int, ...]) -> Json:
        """A job in an answer: never behind what was seen of it, never changed after its end."""
        assert answer.status_code in allowed, answer.text
        job = answer.json()
        before = self.furthest.get(job["id"], "queued")
        assert ORDER[job["status"]] >= ORDER[before]
        self.furthest[job["id"]] = job["status"]
        if job["status"] in TERMINAL:
            told = {**job, "images": [{**image, "url": ""} for image in job["images"]]}
            told["images"] = [{**image, "expires_at": ""} for image in told["images"]]
            assert self.ends.setdefault(job["id"], told) == told
        if job["status"] == "succeeded":
            assert len(job["images"]) == job["request"]["num_images"]
        return job

    def teardown(self) -> None:
        """Leave the service as it was found."""
        for job_id in list(getattr(self, "furthest", {})):
            self.http.delete(f"/v1/jobs/{job_id}")


def run_machine(service: Service, examples: int, steps: int) -> None:
    machine = type("Machine", (JobMachine,), {"service": service})
    health = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=health,
        ),
    )


@pytest.mark.timeout(200)
def test_no_order_of_calls_surprises_a_client(fuzzed: Service) -> None:
    run_machine(fuzzed, examples=12, steps=15)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_no_order_of_many_calls_surprises_a_client(fuzzed: Service) -> None:
    run_machine(fuzzed, examples=200, steps=40)
