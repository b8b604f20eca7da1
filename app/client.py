"""A client of the native API: submit, follow, fetch. What the command line is made of."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]

ENDINGS = ("succeeded", "failed", "canceled")
AGAIN_S = 1.0


class RequestFailed(Exception):
    """The service refused or cannot be reached; one line for a person.

    Attributes:
        status: Of the answer; None if there was none.
        retry_after_s: When the service says that coming back may help.
    """

    def __init__(
        self, reason: str, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Event:
    """One server-sent event: its id, its type, its data as JSON."""

    id: str
    type: str
    data: Json


class Client:
    """Speaks to one service, such as `http://127.0.0.1:8000`."""

    def __init__(self, url: str, api_key: str | None = None, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise RequestFailed(f"{url} and the key make no request: {error}") from error

    def submit(self, wish: Json, idempotency_key: str | None = None) -> Json:
        """Take a job in; the Job as the service answers it. One key makes one job."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/v1/jobs", json=wish, headers=headers)

    def job(self, job_id: str, wait_s: int = 0) -> Json:
        """The job; with `wait_s` as soon as it has ended, or after so many seconds."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return self._json("GET", f"/v1/jobs/{job_id}", headers=headers)

    def jobs(self, status: str | None = None, limit: int = 20) -> list[Json]:
        """The caller's newest jobs, at most 100."""
        query = {"limit": limit, **({"status": status} if status else {})}
        return self._json("GET", "/v1/jobs", params=query)["data"]

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

    def models(self) -> list[Json]:
        return self._json("GET", "/v1/models")["data"]

    def queue(self) -> Json:
        return self._json("GET", "/v1/queue")

    def events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """Events until the terminal one, or until the connection breaks."""
        headers = {"Last-Event-ID": after} if after else {}
        try:
            path = f"/v1/jobs/{job_id}/events"
            with self._http.stream("GET", path, headers=headers) as answer:
                _check(answer)
                yield from read_events(answer.iter_lines())
        except httpx.TransportError as error:
            raise RequestFailed(f"lost the service at {self._http.base_url}: {error}") from error

    def follow(self, job_id: str, patience_s: float = 60.0) -> Iterator[Event]:
        """Every event once, the terminal one last; a broken stream is taken up where it broke.

        Raises:
            RequestFailed: The service was away for longer than `patience_s`.
        """
        after, heard_at = None, time.monotonic()
        while True:
            try:
                for event in self.events(job_id, after):
                    after, heard_at = event.id, time.monotonic()
                    yield event
                    if event.type in ENDINGS:
                        return
            except RequestFailed as error:
                is_away = error.status is None or error.retry_after_s is not None
                if not is_away or time.monotonic() - heard_at > patience_s:
                    raise
            time.sleep(AGAIN_S)

    def fetch(self, url: str) -> bytes:
        """The bytes behind an image URL."""
        return self._send("GET", url).content

    def close(self) -> None:
        self._http.close()

    def _json(self, method: str, path: str, **options: Any) -> Json:
        answer = self._send(method, path, **options)
        try:
            return answer.json()
        except ValueError as error:
            raise RequestFailed(f"{answer.url} is no Darkroom: no JSON in its answer") from error

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            where = self._http.base_url
            raise RequestFailed(f"no service answers at {where}: {error}") from error
        _check(answer)
        return answer


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    """Parse the lines of an event stream; comments and empty events are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:200] or answer.reason_phrase
    after = answer.headers.get("Retry-After", "")
    raise RequestFailed(
        f"{answer.status_code}: {detail}",
        answer.status_code,
        float(after) if after.isdigit() else None,
    )
