"""What a hostile client may send: a clean refusal each time, and a server that lives on."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.app.front_end import FrontEnd, assert_problem

JSON_TYPE = {"Content-Type": "application/json"}
MIB = 1 << 20


def send(front_end: FrontEnd, body: bytes, **headers: str) -> httpx.Response:
    return front_end.http.post("/v1/jobs", content=body, headers={**JSON_TYPE, **headers})


def talk(front_end: FrontEnd, request: bytes) -> bytes:
    """Raw bytes out, raw bytes back until the server closes."""
    with socket.create_connection(("127.0.0.1", front_end.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def assert_lives(front_end: FrontEnd) -> None:
    assert front_end.http.get("/healthz").status_code == 200
    assert front_end.post().status_code == 202


UNREADABLE = {
    "no JSON": b"prompt=a red heart",
    "half a body": b'{"prompt": "a',
    "two bodies": b'{"prompt": "a"}{"prompt": "b"}',
    "UTF-8 that is none": b'{"prompt": "\xff\xfe\xfa"}',
    "nesting without end": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nesting that is cut off": b"[" * 100_000,
    "an integer of ten thousand digits": b'{"prompt": "a", "seed": ' + b"9" * 10_000 + b"}",
    "a body of NULs": b"\x00" * 100,
    "nothing": b"",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_body_that_cannot_be_read_is_malformed(body: bytes, front_end: FrontEnd) -> None:
    assert_problem(send(front_end, body), 400, "malformed_request")
    assert_lives(front_end)


INVALID = {
    "NaN": (b'{"prompt": "a", "guidance_scale": NaN}', "guidance_scale"),
    "infinity": (b'{"prompt": "a", "guidance_scale": Infinity}', "guidance_scale"),
    "minus infinity": (b'{"prompt": "a", "deadline_s": -Infinity}', "deadline_s"),
    "a float beyond all": (b'{"prompt": "a", "guidance_scale": 1e999}', "guidance_scale"),
    "NaN for an integer": (b'{"prompt": "a", "seed": NaN}', "seed"),
    "2^63": (b'{"prompt": "a", "seed": 9223372036854775808}', "seed"),
    "an integer of four thousand digits": (
        b'{"prompt": "a", "seed": ' + b"9" * 4_000 + b"}",
        "seed",
    ),
    "a NUL": (b'{"prompt": "a\\u0000"}', "prompt"),
    "half a surrogate pair": (b'{"prompt": "\\ud800"}', "prompt"),
    "the other half": (b'{"prompt": "a", "negative_prompt": "\\udfff"}', "negative_prompt"),
    "half a pair in metadata": (b'{"prompt": "a", "metadata": {"k": "\\ud800"}}', "metadata.k"),
    "half a pair as a model": (b'{"prompt": "a", "model": "\\ud800"}', "model"),
    "a list": (b"[]", "body"),
    "a string": (b'"a red heart"', "body"),
    "a number": (b"1", "body"),
    "null": (b"null", "body"),
}


@pytest.mark.parametrize(("body", "field"), INVALID.values(), ids=INVALID.keys())
def test_a_value_that_cannot_be_is_named(body: bytes, field: str, front_end: FrontEnd) -> None:
    problem = assert_problem(send(front_end, body), 422, "invalid_request")

    assert [error["field"] for error in problem["errors"]] == [field]
    assert_lives(front_end)


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "a" * 100_000, "metadata.k"])
def test_an_unknown_field_of_any_name_is_refused(name: str, front_end: FrontEnd) -> None:
    body = b'{"prompt": "a", "' + name.encode() + b'": 1}'

    answer = send(front_end, body)

    assert_problem(answer, 422, "invalid_request")
    assert len(answer.content) < 2_000
    assert_lives(front_end)


def test_half_a_surrogate_pair_as_a_metadata_key_is_refused(front_end: FrontEnd) -> None:
    answer = send(front_end, b'{"prompt": "a", "metadata": {"\\ud800": "b"}}')

    assert_problem(answer, 422, "invalid_request")


def test_ten_thousand_wrong_fields_are_answered_in_few_words(front_end: FrontEnd) -> None:
    body = {"prompt": "a", **{f"field_{n}": n for n in range(10_000)}}

    answer = front_end.http.post("/v1/jobs", json=body)

    assert_problem(answer, 422, "invalid_request")
    assert len(answer.content) < 20_000


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "\x80"])
def test_a_body_of_another_type_is_refused(kind: str, front_end: FrontEnd) -> None:
    headers = {b"Content-Type": kind.encode("latin-1")}
    body = json.dumps({"prompt": "a"}).encode()

    answer = front_end.http.post("/v1/jobs", content=body, headers=headers)

    assert answer.status_code in (400, 415, 422)
    assert_problem(answer, answer.status_code, answer.json()["code"])


def test_a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not(front_end: FrontEnd) -> None:
    fits = b'{"prompt": "a"}'.ljust(MIB)

    assert send(front_end, fits).status_code == 202
    assert_problem(send(front_end, fits + b" "), 413, "too_large")


def test_a_body_that_announces_too_much_is_refused_unread(front_end: FrontEnd) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n"

    answer = talk(front_end, head)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/nothing/cancel", "/nowhere"])
def test_a_body_without_end_is_cut_off_at_the_bound(path: str, front_end: FrontEnd) -> None:
    sent = 0

    def without_end() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(16_000):
            sent += 65_536
            yield b" " * 65_536

    began = time.monotonic()
    answer = front_end.http.post(path, content=without_end(), headers=JSON_TYPE)

    assert_problem(answer, 413, "too_large")
    assert sent < 16 * MIB  # what lay in the sockets' buffers, not the gigabyte
    assert time.monotonic() - began < 5
    assert_lives(front_end)


def test_a_client_that_hangs_up_within_its_body_harms_nobody(front_end: FrontEnd) -> None:
    with socket.create_connection(("127.0.0.1", front_end.port), timeout=5) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")

    assert_lives(front_end)
    assert front_end.services.queues.waiting(["default"]) == 1


BAD_HEADERS = {
    "no Idempotency-Key": ("Idempotency-Key", b""),
    "a long Idempotency-Key": ("Idempotency-Key", b"a" * 256),
    "an Idempotency-Key that is no text": ("Idempotency-Key", b"\xff\xfe"),
}


@pytest.mark.parametrize(("name", "value"), BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_a_bad_idempotency_key_is_named(name: str, value: bytes, front_end: FrontEnd) -> None:
    body = b'{"prompt": "a"}'
    headers = {b"Content-Type": b"application/json", name.encode(): value}

    answer = front_end.http.post("/v1/jobs", content=body, headers=headers)

    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [name.lower()]


@pytest.mark.parametrize(
    "value", [b"", b"latest", b"\xff", b"-1-0", b"1", b"9" * 30 + b"-0", b"1-" + b"9" * 30, b"$"]
)
def test_a_last_event_id_that_is_none_of_ours_is_named(value: bytes, front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]

    answer = front_end.http.get(f"/v1/jobs/{job_id}/events", headers={b"Last-Event-ID": value})

    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == ["last-event-id"]


@pytest.mark.parametrize(
    "value",
    [b"", b"wait=", b"wait=a", b"wait=-1", b"wait=1e9", b"waits=5", b"\xff", b"wait=\xb2"],
)
def test_a_preference_that_is_none_is_passed_over(value: bytes, front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]

    answer = front_end.http.get(f"/v1/jobs/{job_id}", headers={b"Prefer": value})

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


ODD_IDS = {
    "a path": "..%2F..%2Fetc%2Fpasswd",
    "dots": "%2E%2E",
    "ten thousand characters": "a" * 10_000,
    "a NUL": "a%00b",
    "bytes that are no text": "%ff%fe",
    "the stream beside a record": "{id}:events",
    "upper case": "{ID}",
    "a pattern": "*",
    "a line break": "{id}%0A",
    "a blank": "%20",
}


@pytest.mark.parametrize("odd", ODD_IDS.values(), ids=ODD_IDS.keys())
@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")],
)
def test_an_id_that_is_none_is_not_found(
    method: str, action: str, odd: str, front_end: FrontEnd
) -> None:
    job_id = front_end.submit()["id"]
    path = odd.replace("{id}", job_id).replace("{ID}", job_id.upper())

    answer = front_end.http.request(method, f"/v1/jobs/{path}{action}")

    assert answer.status_code in (404, 405)
    assert_problem(answer, answer.status_code, answer.json()["code"])
    assert len(answer.content) < 1_000
    assert front_end.get(job_id)["status"] == "queued"


@pytest.mark.parametrize("host", [b"[", b"a b", b"\xff", b"", b"evil:port", b"[::1", b"a/b?c#d"])
def test_a_host_that_is_none_does_no_harm(host: bytes, front_end: FrontEnd) -> None:
    job_id = front_end.submit()["id"]
    request = b"GET /v1/jobs/" + job_id.encode() + b" HTTP/1.1\r\nConnection: close\r\nHost: "

    answer = talk(front_end, request + host + b"\r\n\r\n")

    assert answer[9:12] in (b"200", b"400")
    assert_lives(front_end)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("limit=a", "limit"),
        ("status=done", "status"),
        ("status=", "status"),
        ("cursor=", "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=nan", "cursor"),
        ("cursor=1e400", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%ff", "cursor"),
        ("cursor=" + "1" * 5_000, "cursor"),
    ],
)
def test_a_listing_names_what_it_cannot_read(query: str, field: str, front_end: FrontEnd) -> None:
    problem = assert_problem(front_end.http.get(f"/v1/jobs?{query}"), 422, "invalid_request")

    assert [error["field"] for error in problem["errors"]] == [field]
