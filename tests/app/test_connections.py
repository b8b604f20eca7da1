"""Clients that say too much, or nothing at all, on a real socket: others are still served."""

import socket
import time
from contextlib import ExitStack

import pytest

from app import connections
from app.connections import MAX_HEAD_BYTES, MAX_SILENT, BoundedProtocol
from tests.app.front_end import FrontEnd
from tests.app.test_hostile_input import talk
from tests.service import eventually

SLOW = 2_000


def reach(front_end: FrontEnd) -> socket.socket:
    return socket.create_connection(("127.0.0.1", front_end.port), timeout=5)


def closes(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


HEADS = {
    "one long header": b"X: " + b"a" * MAX_HEAD_BYTES,
    "many headers": b"\r\n".join(b"X-%d: aaaaaaaa" % n for n in range(4_000)),
}


@pytest.mark.parametrize("headers", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("end", [b"\r\n\r\n", b""], ids=["whole", "cut off"])
def test_a_head_without_end_is_refused(headers: bytes, end: bytes, front_end: FrontEnd) -> None:
    answer = talk(front_end, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers + end)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in answer
    assert b'"code": "head_too_large"' in answer
    assert front_end.http.get("/healthz").status_code == 200


def test_a_long_url_is_part_of_the_head(front_end: FrontEnd) -> None:
    answer = talk(front_end, b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_is_a_problem_too(front_end: FrontEnd) -> None:
    answer = talk(front_end, b"\x16\x03\x01\x02\x00 hello\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "malformed_request"' in answer


def test_a_body_may_be_longer_than_a_head(front_end: FrontEnd) -> None:
    with reach(front_end) as connection:
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head + b" " * 100_000)

        assert connection.recv(100).startswith(b"HTTP/1.1 4")


def test_who_never_ends_the_head_is_cut_off(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)
    with reach(front_end) as mute, reach(front_end) as slow:
        began = time.monotonic()
        while time.monotonic() - began < 0.2:
            slow.sendall(b"G" if time.monotonic() == began else b"")
            time.sleep(0.02)
        slow.sendall(b"GET / HTTP/1.1\r\n")

        assert closes(mute)
        assert closes(slow)


def test_a_second_request_has_its_own_time(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)
    with reach(front_end) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.2)
        connection.sendall(b"GET /healthz HT")

        assert closes(connection)


@pytest.mark.timeout(60)
def test_two_thousand_slow_connections_keep_nobody_out(front_end: FrontEnd) -> None:
    with ExitStack() as slow:
        for _ in range(SLOW):
            connection = slow.enter_context(reach(front_end))
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nX-Slow: ")

        eventually(lambda: len(BoundedProtocol.silent) <= MAX_SILENT)
        for _ in range(20):
            assert front_end.post().status_code == 202

    eventually(lambda: len(BoundedProtocol.silent) < 5)
