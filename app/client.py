"""A client of the native API: submit, follow, fetch. What `darkroom generate` is made of."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]


class RequestFailed(Exception):
    """The service refused or cannot be reached; one line for a person."""


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
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def submit(self, wish: Json) -> Json:
        """Take a job in; the Job as the service answers it."""
        return self._json("POST", "/v1/jobs", json=wish)

    def job(self, job_id: str) -> Json:
        return self._json("GET", f"/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

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

    def fetch(self, url: str) -> bytes:
        """The bytes behind an image URL."""
        return self._send("GET", url).content

    def close(self) -> None:
        self._http.close()

    def _json(self, method: str, path: str, **options: Any) -> Json:
        return self._send(method, path, **options).json()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
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
    except (ValueError, KeyError):
        detail = answer.text[:200]
    raise RequestFailed(f"{answer.status_code}: {detail}")
