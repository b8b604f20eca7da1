"""The receiver of webhooks: verifies and remembers every delivery, and has its bad moments."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from standardwebhooks import Webhook as Library
from standardwebhooks import WebhookVerificationError

from tests.app.webhooks.receiver import SECRET
from tests.faults.history import History, Told, result_of

HANGS_UP, FAILS = 0.05, 0.1  # parts of all deliveries


class Handler(BaseHTTPRequestHandler):
    """One delivery."""

    server: "Listener"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.mood()
        if answer:
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()
        self.server.remember(dict(self.headers.items()), body, answer)

    def log_message(self, format: str, *args: Any) -> None:
        return


class Listener(ThreadingHTTPServer):
    """Answers 204, or 500, or hangs up after it has heard everything; drawn from a seed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, random: Random, history: History) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._random, self._history = random, history

    def mood(self) -> int:
        drawn = self._random.random()
        return 0 if drawn < HANGS_UP else 500 if drawn < HANGS_UP + FAILS else 204

    def remember(self, headers: dict[str, str], body: bytes, answer: int) -> None:
        try:
            Library(SECRET).verify(body, headers)
            is_signed = True
        except WebhookVerificationError:
            is_signed = False
        message = json.loads(body)
        job = message["data"]
        self._history.add(
            Told(
                at=time.time(),
                message=next(v for k, v in headers.items() if k.lower() == "webhook-id"),
                job=job["id"],
                type=message["type"],
                result=result_of(job),
                is_signed=is_signed,
                answered=answer,
            )
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed while it spoke is no error of ours."""


@contextlib.contextmanager
def listening(random: Random, history: History) -> Iterator[int]:
    """A receiver at work; its port."""
    server = Listener(random, history)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
