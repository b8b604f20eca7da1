"""The client and the receiver of docker/verify, run in containers of their own. Standard library.

`python drill.py draw|submit|finish|... ARGUMENTS`: each command is a function below; prints what it
found as JSON, ends with 1 and the reason where it is not what it should be.
"""

import base64
import hmac
import http.server
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

URL = os.environ.get("URL", "http://127.0.0.1:8000")
KEY = os.environ.get("KEY", "")
LONG = 120  # steps: a job that is still being drawn when something happens to it
PATIENCE_S = 300.0

Json = Any


def ask(path: str, body: Json = None, headers: dict[str, str] | None = None) -> Json:
    """An answer of the API, as JSON."""
    url = path if path.startswith("http") else URL + path
    data = None if body is None else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **(headers or {})}
    with urllib.request.urlopen(urllib.request.Request(url, data, sent), timeout=90) as answer:
        return json.load(answer)


def refused() -> Json:
    """Nobody gets in without a key."""
    try:
        urllib.request.urlopen(f"{URL}/v1/queue", timeout=10)
        status = 200
    except urllib.error.HTTPError as error:
        status = error.code
    assert status == 401, status
    return {"status": status}


def draw() -> Json:
    """A prompt becomes a picture that can be fetched without a key, behind its signed URL."""
    began = time.monotonic()
    job = ask("/v1/jobs", {"prompt": "a red heart", "seed": 7}, {"Prefer": "wait=60"})
    job = job if job["status"] == "succeeded" else wait(job["id"])
    return {"id": job["id"], "bytes": fetch(job), "s": round(time.monotonic() - began, 2)}


def fetch(job: Json) -> int:
    """Every picture of the job is there, and is one; bytes altogether."""
    total = 0
    for image in job["images"]:
        with urllib.request.urlopen(image["url"], timeout=30) as answer:
            data = answer.read()
        assert data.startswith(b"\x89PNG\r\n\x1a\n"), data[:16]
        assert sha256(data).hexdigest() == image["sha256"]
        total += len(data)
    assert len(job["images"]) == job["request"]["num_images"]
    return total


def submit(count: str, steps: str = str(LONG), webhook: str = "") -> Json:
    """So many jobs at once; their ids."""
    wish: Json = {"prompt": "a blue star", "num_inference_steps": int(steps)}
    if webhook:
        wish["webhook"] = {"url": webhook}
    return [ask("/v1/jobs", wish)["id"] for _ in range(int(count))]


def busy(least: str) -> Json:
    """Wait until so many workers have something in their hands."""
    return until(lambda: [w["name"] for w in queue() if w["slots_used"]], int(least))


def ready(count: str) -> Json:
    """Wait until exactly so many workers can draw."""
    return until(lambda: [w["name"] for w in queue() if w["is_ready"]], int(count), exactly=True)


def queue() -> list[Json]:
    try:
        return ask("/v1/queue")["workers"]
    except urllib.error.URLError:
        return []


def until(look: Any, count: int, exactly: bool = False) -> Json:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if len(found) == count or (len(found) > count and not exactly):
            return found
        assert time.monotonic() < give_up_at, f"{len(found)} after {PATIENCE_S:.0f} s, not {count}"
        time.sleep(0.2)


def finish(*ids: str) -> Json:
    """All these jobs succeed, each once, with all their pictures."""
    jobs = [wait(job_id) for job_id in ids]
    for job in jobs:
        assert job["status"] == "succeeded", job
        fetch(job)
    return {"jobs": len(jobs), "attempts": dict(Counter(str(job["attempts"]) for job in jobs))}


def states(*ids: str) -> Json:
    return dict(Counter(ask(f"/v1/jobs/{job_id}")["status"] for job_id in ids))


def wait(job_id: str) -> Json:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            job = ask(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=10"})
            if job["status"] in ("succeeded", "failed", "canceled"):
                return job
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                raise
            time.sleep(0.5)  # the job store is away: that is what is being tried
        assert time.monotonic() < give_up_at, f"{job_id} has not ended after {PATIENCE_S:.0f} s"


def told(url: str, secret: str, *ids: str) -> Json:
    """The receiver has heard of the end of all these jobs, signed with the secret."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        messages = ask(url)
        deliveries = {one["webhook-id"] for one in messages}  # at least once: repeats are no fault
        ended = Counter(json.loads(one["body"])["data"]["id"] for one in messages)
        if set(ids) <= set(ended):
            break
        assert time.monotonic() < give_up_at, f"heard of {len(ended)} of {len(ids)}"
        time.sleep(0.2)
    assert len(deliveries) == len(ended), "a job's end was told as two"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    for one in messages:
        signed = f"{one['webhook-id']}.{one['webhook-timestamp']}.{one['body']}".encode()
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert wanted in one["webhook-signature"].split(), one
    return {"messages": len(messages), "jobs": len(ended)}


SPANS = {
    "darkroom-api": ["POST /v1/jobs"],
    "darkroom-worker": ["queue", "job", "encode", "denoise", "decode", "store"],
    "darkroom-webhooks": ["webhook job.succeeded"],
}


def traced(url: str) -> Json:
    """Every process has told the collector of its spans, by name."""
    wanted = {f"{part}: {name}" for part, names in SPANS.items() for name in names}
    return until(lambda: sorted(wanted & set(ask(f"{url}spans"))), len(wanted))


def names_of_spans(body: bytes) -> set[str]:
    """Ours among those that are told: field 5 of a span in OTLP, found without its library."""
    return {
        f"{part}: {name}"
        for part, names in SPANS.items()
        for name in names
        if part.encode() in body and b"\x2a" + bytes([len(name)]) + name.encode() in body
    }


def scraped(url: str) -> Json:
    """Prometheus has got figures from the API, which lets nobody read them without a key."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        found = ask(f"{url}/api/v1/query?query=darkroom_redis_up")["data"]["result"]
        if found and found[0]["value"][1] == "1":
            return {"darkroom_redis_up": found[0]["value"][1]}
        assert time.monotonic() < give_up_at, found
        time.sleep(0.5)


def received(url: str) -> Json:
    return ask(url)


def receive(port: str) -> None:
    """Take webhooks and spans; GET answers with all that came."""
    messages: list[Json] = []
    spans: set[str] = set()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                spans.update(names_of_spans(body))
            else:
                self._message(body.decode())
            self._answer(b"{}")

        def _message(self, body: str) -> None:
            names = ("webhook-id", "webhook-timestamp", "webhook-signature")
            messages.append({"body": body, **{name: self.headers[name] for name in names}})

        def do_GET(self) -> None:
            self._answer(json.dumps(sorted(spans) if self.path == "/spans" else messages).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    http.server.ThreadingHTTPServer(("", int(port)), Receiver).serve_forever()


def main() -> str | None:
    name, *arguments = sys.argv[1:]
    try:
        found = globals()[name](*arguments)
    except (AssertionError, OSError) as error:
        return f"{Path(__file__).name} {name}: {error}"
    print(json.dumps(found))
    return None


if __name__ == "__main__":
    sys.exit(main())
