"""HTTP connections with bounds on a request's head, in bytes and in time, below any application.

A client that opens thousands of connections and says nothing, or a little now and then, costs a
few kilobytes each and is cut off: by time, and the eldest first when there are too many.
"""

import asyncio
import contextlib
import json
import resource
from collections import OrderedDict
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.envelopes import PROBLEM_TYPE
from app.errors import HeadTooLarge, MalformedRequest, ServiceError

MAX_HEAD_BYTES = 32_768
HEAD_TIMEOUT_S = 10.0
MAX_SILENT = 1_000  # connections whose request has not come yet


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the head of every request bounded."""

    silent: "OrderedDict[BoundedProtocol, None]" = OrderedDict()  # noqa: RUF012 - all connections'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._is_in_head = False
        self._is_head_too_large = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge(f"A head may have at most {MAX_HEAD_BYTES} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._is_in_head:  # another request on the same connection
            self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._is_head_too_large = size > MAX_HEAD_BYTES
        if self._is_head_too_large:
            raise ValueError("the head is too large")  # the parser stops, and asks for a refusal
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what it cannot parse, in our own form."""
        if self._is_head_too_large:
            self._refuse(HeadTooLarge(f"A head may have at most {MAX_HEAD_BYTES} bytes."))
        else:
            self._refuse(MalformedRequest("This is not HTTP/1.1."))

    def _begin_head(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)
        self.silent[self] = None
        if len(self.silent) > MAX_SILENT:
            next(iter(self.silent))._give_up()

    def _end_head(self) -> None:
        self._is_in_head = False
        self.silent.pop(self, None)
        if self._timer:
            self._timer.cancel()

    def _give_up(self) -> None:
        self._end_head()
        self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        found = error.refusal
        body = json.dumps(
            {
                "type": f"urn:darkroom:problem:{found.code}",
                "title": found.title,
                "status": found.status,
                "detail": found.detail,
                "code": found.code,
            }
        ).encode()
        head = f"content-type: {PROBLEM_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(
            STATUS_LINE[found.status] + head.encode() + b"connection: close\r\n\r\n" + body
        )
        self.transport.close()


def allow_many_files() -> None:
    """As many connections as the system lets this process have."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
