"""One try: a POST that follows nothing, unpacks nothing and never takes longer than it may."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpcore
from pydantic_core import Url

from app.webhooks.guard import AddressRefused
from app.webhooks.network import CONNECT_TIMEOUT_S, GuardedNetwork
from app.webhooks.schedule import read_retry_after

TOTAL_TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1_024
MAX_REASON = 200
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What came of a try. `is_final`: no other try can help; `code`: of the answer, if any."""

    code: int | None = None
    reason: str = ""
    retry_after_s: float | None = None
    is_final: bool = False
    seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


class Poster:
    """Sends to receivers through a guarded network, each time on a connection of its own."""

    def __init__(
        self, network: GuardedNetwork, tls: ssl.SSLContext, total_s: float = TOTAL_TIMEOUT_S
    ) -> None:
        self._network = network
        self._tls = tls
        self._total_s = total_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send once. Every failure is an outcome, none an exception."""
        began = time.monotonic()
        try:
            code, retry_after = await self._exchange(url, headers, body)
        except AddressRefused as error:
            outcome = Outcome(reason=str(error), is_final=True)
        except TimeoutError:
            outcome = Outcome(reason=f"no answer in {self._total_s:g} s")
        except (httpcore.NetworkError, httpcore.TimeoutException, ssl.SSLError) as error:
            outcome = Outcome(reason=_reason(error, "the connection broke"))
        except httpcore.ProtocolError as error:
            outcome = Outcome(reason=_reason(error, "not HTTP"))
        else:
            outcome = _judge(code, retry_after)
        return replace(outcome, seconds=time.monotonic() - began)

    async def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str | None]:
        """The answer's status and its Retry-After."""
        target, host = _target(url)
        sent = {"Host": host, "Connection": "close", "Accept-Encoding": "identity", **headers}
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=self._network, max_keepalive_connections=0
        )
        extensions = {
            "timeout": {"connect": CONNECT_TIMEOUT_S},
            "sni_hostname": target.host.decode().removesuffix("."),
        }
        code: int | None = None
        retry_after: str | None = None
        async with pool:
            try:
                async with (
                    asyncio.timeout(self._total_s),
                    pool.stream(
                        "POST",
                        target,
                        headers=list(sent.items()),
                        content=body,
                        extensions=extensions,
                    ) as answer,
                ):
                    code = answer.status
                    found = {name.lower(): value for name, value in answer.headers}
                    retry_after = found.get(b"retry-after", b"").decode("latin-1") or None
                    with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
                        await _drain(answer)
            except TimeoutError:
                if code is None:  # with a status, the receiver has said what it had to say
                    raise
        assert code is not None  # noqa: S101 - or something was raised
        return code, retry_after


async def _drain(answer: httpcore.Response) -> None:
    """Read what a polite client reads, at most `MAX_ANSWER_BYTES`; none of it is looked at."""
    read = 0
    async for chunk in answer.aiter_stream():
        read += len(chunk)
        if read >= MAX_ANSWER_BYTES:
            return


def _target(url: str) -> tuple[httpcore.URL, str]:
    """Where to send, in one spelling, and the Host header that says so."""
    parsed = Url(url)
    host = parsed.host or ""
    target = httpcore.URL(
        scheme=parsed.scheme,
        host=host.strip("[]"),
        port=parsed.port,
        target=(parsed.path or "/") + (f"?{parsed.query}" if parsed.query else ""),
    )
    default = {"http": 80, "https": 443}[parsed.scheme]
    return target, host if parsed.port == default else f"{host}:{parsed.port}"


def _judge(code: int, retry_after: str | None) -> Outcome:
    if 200 <= code < 300:
        return Outcome(code)
    reason = "redirects are not followed" if 300 <= code < 400 else ""
    asked_s = read_retry_after(retry_after, datetime.now(UTC))
    return Outcome(code, reason, asked_s, is_final=code == GONE)


def _reason(error: Exception, otherwise: str) -> str:
    return (str(error) or otherwise)[:MAX_REASON]
