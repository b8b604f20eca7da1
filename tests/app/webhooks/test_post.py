"""One try against receivers that mean harm: bounded in time and memory, believed in nothing."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.webhooks.guard import Guard
from app.webhooks.network import GuardedNetwork, system_resolver
from app.webhooks.post import MAX_ANSWER_BYTES, Outcome, Poster
from tests.app.webhooks.receiver import Answer, Raw, listening, receiving, silence

TOTAL_S = 1.0
BODY = b'{"a": 1}'
BOMB = gzip.compress(bytes(20_000_000))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def post(url: str, tls: ssl.SSLContext | None = None) -> Outcome:
    """Try once, with everything on loopback open and a total of one second."""
    network = GuardedNetwork(Guard([ip_network("127.0.0.0/8")]), system_resolver())
    sender = Poster(network, tls or ssl.create_default_context(), TOTAL_S)
    headers = {"Content-Type": "application/json", "webhook-id": "a"}
    return asyncio.run(sender.post(url, headers, BODY))


def test_a_receiver_gets_what_was_sent_and_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1/")
    with receiving() as receiver:
        outcome = post(receiver.url)

    assert outcome.is_success
    (got,) = receiver.received
    assert (got.path, got.body) == ("/hook?a=b", BODY)
    assert got.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "connection": "close",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "webhook-id": "a",
        "content-length": "8",
    }


@pytest.mark.parametrize(
    ("answer", "is_success", "is_final", "retry_after_s"),
    [
        ((200, {}), True, False, None),
        ((204, {}), True, False, None),
        ((299, {}), True, False, None),
        ((301, {}), False, False, None),
        ((304, {}), False, False, None),
        ((400, {}), False, False, None),
        ((404, {}), False, False, None),
        ((410, {}), False, True, None),
        ((429, {"Retry-After": "7"}), False, False, 7.0),
        ((500, {}), False, False, None),
        ((503, {"Retry-After": "60"}), False, False, 60.0),
        ((503, {"Retry-After": "soon"}), False, False, None),
    ],
)
def test_what_an_answer_means(
    answer: Answer, is_success: bool, is_final: bool, retry_after_s: float | None
) -> None:
    with receiving(answer) as receiver:
        outcome = post(receiver.url)

    assert outcome.code == answer[0]
    assert outcome.is_success is is_success
    assert outcome.is_final is is_final
    assert outcome.retry_after_s == retry_after_s


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    with listening() as canary, receiving((code, {"Location": canary.url})) as receiver:
        outcome = post(receiver.url)

        assert not outcome.is_success
        assert outcome.reason == "redirects are not followed"
        assert (canary.connections, len(receiver.received)) == (0, 1)


def read_request(connection: socket.socket) -> None:
    """All of it: a socket closed over unread bytes would take the answer back."""
    read = b""
    while BODY not in read:
        read += connection.recv(65_536)


def drip_headers(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    for byte in HEAD * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def drip_body(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1_000):
        connection.sendall(b"a")
        time.sleep(0.1)


def endless_body(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    connection.sendall(HEAD + b"\r\n")
    while True:
        raw.sent += connection.send(b"a" * 65_536)


def endless_headers(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    connection.sendall(HEAD)
    while True:
        raw.sent += connection.send(b"X-Filler: " + b"a" * 65_536)


def gzip_bomb(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    connection.sendall(head + BOMB)


def reset(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)


def nonsense(connection: socket.socket, raw: Raw) -> None:
    read_request(connection)
    connection.sendall(b"220 mail.example ESMTP\r\n" * 4)


@pytest.mark.parametrize("talk", [silence, drip_headers])
def test_a_receiver_that_never_comes_to_the_point_is_left(talk: object) -> None:
    began = time.monotonic()
    with listening(talk) as raw:  # type: ignore[arg-type]
        outcome = post(raw.url)

    assert time.monotonic() - began < TOTAL_S + 1
    assert (outcome.code, outcome.is_final) == (None, False)
    assert outcome.reason == "no answer in 1 s"


@pytest.mark.parametrize("talk", [drip_body, endless_body, gzip_bomb])
def test_a_body_is_never_waited_for_or_kept(talk: object) -> None:
    tracemalloc.start()
    began = time.monotonic()
    with listening(talk) as raw:  # type: ignore[arg-type]
        outcome = post(raw.url)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert time.monotonic() - began < TOTAL_S + 1
    assert outcome.is_success
    assert peak < 8_000_000
    assert raw.sent < 100 * MAX_ANSWER_BYTES  # what the kernel's buffers took; never a stream


@pytest.mark.parametrize("talk", [reset, nonsense, endless_headers])
def test_what_is_not_http_is_a_failure_to_be_tried_again(talk: object) -> None:
    with listening(talk) as raw:  # type: ignore[arg-type]
        outcome = post(raw.url)

    assert (outcome.code, outcome.is_final) == (None, False)
    assert outcome.reason


def test_a_closed_port_is_a_failure_to_be_tried_again() -> None:
    with listening() as raw:
        url = raw.url

    assert post(url).code is None


def test_tls_is_asked_for_the_name_in_the_url_and_the_certificate_checked(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost -out {certificate} -keyout {key}".split(),
        check=True,
        capture_output=True,
    )
    asked, lock = list[str | None](), threading.Lock()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.sni_callback = lambda _socket, name, _context: asked.append(name)

    def talk(connection: socket.socket, raw: Raw) -> None:
        with lock, server.wrap_socket(connection, server_side=True) as secured:
            read_request(secured)
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with listening(talk) as raw:
        url = f"https://localhost:{raw.port}/"
        stranger = post(url)
        known = post(url, ssl.create_default_context(cafile=str(certificate)))
        misnamed = post(
            f"https://127.0.0.1:{raw.port}/", ssl.create_default_context(cafile=str(certificate))
        )

    assert known.code == 204
    assert stranger.code is misnamed.code is None
    assert "certificate" in stranger.reason
    assert "certificate" in misnamed.reason
    assert asked[:2] == ["localhost", "localhost"]
