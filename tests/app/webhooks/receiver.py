"""Receivers of webhooks on loopback: one that answers by a script, and canaries that only count."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Answer = tuple[int, dict[str, str]]
OK: Answer = (200, {})
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OLD_SECRET = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZCE="


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes
    path: str
    at: float


@dataclass
class Receiver:
    """Answers each request with the next of `answers`, the last for ever."""

    port: int
    host: str
    answers: list[Answer]
    received: list[Received] = field(default_factory=list[Received])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook?a=b"

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.received]

    def answer(self) -> Answer:
        return self.answers[min(len(self.received), len(self.answers)) - 1]


@contextmanager
def receiving(*answers: Answer, host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(headers, body, self.path, time.time()))
            code, extra = receiver.answer()
            self.send_response(code)
            for name, value in {"Content-Length": "0", **extra}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server((host, port), Handler)
    receiver = Receiver(server.server_port, host, list(answers) or [OK])
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Raw:
    """A bare TCP receiver; `talk` has each connection for itself."""

    port: int
    host: str
    connections: int = 0
    sent: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"


def hang_up(connection: socket.socket, raw: Raw) -> None:
    """A canary's answer: none."""


@contextmanager
def listening(
    talk: Callable[[socket.socket, Raw], None] = hang_up, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Raw]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.create_server((host, port), family=family, backlog=64)
    raw = Raw(server.getsockname()[1], host)

    def speak(connection: socket.socket) -> None:
        with connection:
            try:
                talk(connection, raw)
            except OSError:
                return  # the sender has heard enough

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            raw.connections += 1
            threading.Thread(target=speak, args=[connection], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield raw
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def silence(connection: socket.socket, raw: Raw) -> None:
    """Take the connection and never say a word."""
    connection.recv(65_536)
    while connection.recv(65_536):
        pass
