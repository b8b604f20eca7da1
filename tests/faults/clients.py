"""Clients as they should be: they name their submissions, ask again, and note down all they see."""

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx

from tests.faults.history import (
    TERMINAL,
    Accepted,
    History,
    Json,
    Seen,
    Streamed,
    Wrong,
    result_of,
)

PATIENCE_S = 90.0
EVENTS = ["job.processing", "job.succeeded", "job.failed", "job.canceled"]
TRY_LATER = {409, 429, 503}
followers = itertools.count()


class GaveUp(Exception):
    """Nothing came of it within `PATIENCE_S`."""


class Client:
    """One client; `random` decides what it wants."""

    def __init__(self, url: str, hook: str, random: Random, history: History) -> None:
        self.http = httpx.Client(base_url=url, timeout=6)
        self.hook, self.random, self.history = hook, random, history

    def run(self, until: threading.Event) -> None:
        """One wish after the other."""
        with self.http:
            while not until.is_set():
                with contextlib.suppress(GaveUp):  # what was accepted is looked for at the end
                    self.live_through_one()
                time.sleep(self.random.uniform(0, 0.6))

    def live_through_one(self) -> None:
        has_key = self.random.random() < 0.85
        job = self.submit(has_key)
        if job is None:
            return
        follow = self.random.choice([self.poll, self.poll, self.stream, self.cancel, self.leave])
        follow(job)

    # -- what it does --

    def submit(self, has_key: bool) -> str | None:
        """The job's id; None if there was no key, and no answer to the one try."""
        ask = f"{self.random.getrandbits(64):016x}"
        headers = {"Idempotency-Key": ask} if has_key else {}
        if self.random.random() < 0.2:
            headers["Prefer"] = "wait=3"
        wish, began = self.wish(ask), time.time()
        for _ in tries():
            answer = self.ask("POST", "/v1/jobs", json=wish, headers=headers)
            if answer is not None and answer.is_success:
                job = answer.json()
                self.history.add(Accepted(time.time(), ask, job["id"]))
                self.note(job, began, "submit")
                return job["id"]
            if not has_key:
                return None  # it may have been taken in: to ask again would be to ask for two
        return None

    def wish(self, ask: str) -> Json:
        random = self.random
        wish: Json = {
            "prompt": f"a red heart {ask}",
            "num_inference_steps": random.randint(2, 30),
            "num_images": random.choice([1, 1, 2]),
            "priority": random.choice(["high", "normal", "normal", "low"]),
            "metadata": {"ask": ask},
        }
        if random.random() < 0.7:
            wanted = random.sample(EVENTS, random.randint(1, 4))
            wish["webhook"] = {"url": self.hook, "events": wanted}
        return wish

    def poll(self, job: str) -> None:
        for _ in tries():
            wait = (
                {"Prefer": f"wait={self.random.randint(1, 4)}"}
                if self.random.random() < 0.5
                else {}
            )
            if self.look(job, wait) in TERMINAL:
                self.look(job, {})
                return

    def cancel(self, job: str) -> None:
        time.sleep(self.random.choice([0, 0, 0.1, 0.5]))
        for _ in tries():
            began = time.time()
            answer = self.ask("POST", f"/v1/jobs/{job}/cancel")
            if answer is not None and answer.is_success:
                self.note(answer.json(), began, "cancel")
                break
        self.poll(job)

    def leave(self, job: str) -> None:
        """Never look again."""

    def stream(self, job: str) -> None:
        """All events, each once, however often the connection breaks."""
        follower, last = next(followers), ""
        for _ in tries():
            try:
                headers = {"Last-Event-ID": last} if last else {}
                with self.http.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as answer:
                    self.judge(answer)
                    for event_id, kind, data in events(answer):
                        last = event_id
                        now = time.time()
                        self.history.add(Streamed(now, follower, job, event_id, kind))
                        if kind in TERMINAL:
                            self.note(data, now, "stream")
                            return
            except httpx.TransportError:
                continue

    # -- how it asks --

    def look(self, job: str, headers: dict[str, str]) -> str:
        began = time.time()
        answer = self.ask("GET", f"/v1/jobs/{job}", headers=headers)
        if answer is None or not answer.is_success:
            return ""
        self.note(answer.json(), began, "poll")
        return answer.json()["status"]

    def note(self, job: Json, began: float, via: str) -> None:
        seen = Seen(began, time.time(), job["id"], job["status"], result_of(job), via)
        self.history.add(seen)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """The answer, if one came."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError:
            return None
        self.judge(answer)
        return answer

    def judge(self, answer: httpx.Response) -> None:
        """Nothing but an answer, or a plea to come back later, is in order."""
        if answer.is_success:
            return
        answer.read()
        kind = answer.headers.get("content-type", "")
        is_plea = answer.status_code in TRY_LATER and "retry-after" in answer.headers
        if not is_plea or kind != "application/problem+json":
            what = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {kind}"
            self.history.add(Wrong(time.time(), f"{what} {answer.text[:200]}"))


def tries() -> Iterator[int]:
    """One number a try, until patience ends.

    Raises:
        GaveUp: It has ended.
    """
    give_up_at = time.monotonic() + PATIENCE_S
    for number in itertools.count():
        if time.monotonic() > give_up_at:
            raise GaveUp
        yield number
        time.sleep(min(0.1 * 2**number, 0.5))


def events(answer: httpx.Response) -> Iterator[tuple[str, str, Json]]:
    """Id, type and data of each event (WHATWG HTML, section 9.2), as far as ours go."""
    fields = dict[str, str]()
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "id" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}
