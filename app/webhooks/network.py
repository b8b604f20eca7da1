"""The network under httpcore: a name is resolved once, and only a checked address is connected to.

A name that answers differently the second time is never asked a second time. The URL's host stays
what TLS and the Host header see.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import httpcore

from app.webhooks.guard import AddressRefused, Guard

CONNECT_TIMEOUT_S = 5.0
MAX_ADDRESSES = 4  # tried one after the other
RESOLVERS = 64  # threads; a name whose servers are silent holds one for a while

Resolve = Callable[[str, int], Awaitable[list[str]]]


def system_resolver() -> Resolve:
    """Names to addresses as the system does it, in threads of its own."""
    threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")

    def ask(host: str, port: int) -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    async def resolve(host: str, port: int) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(threads, ask, host, port)

    return resolve


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to what `resolve` says and `guard` allows, within `CONNECT_TIMEOUT_S` in all."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._inner = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first allowed address that takes it.

        Raises:
            AddressRefused: The host has no address that may be reached.
            ConnectError, ConnectTimeout: It has no address at all, or none that answers.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._connect(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no connection in {CONNECT_TIMEOUT_S:g} s") from error

    async def _connect(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error}") from error
        allowed = [address for address in addresses if self._guard.allows(host, address)]
        if addresses and not allowed:
            self._guard.check(host, addresses[0])
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in allowed[:MAX_ADDRESSES]:
            try:
                stream = await self._inner.connect_tcp(address, port)
            except httpcore.ConnectError as error:
                failure = error
                continue
            await self._check_peer(host, stream)
            return stream
        raise failure

    async def _check_peer(self, host: str, stream: httpcore.AsyncNetworkStream) -> None:
        """The last word, on the socket itself."""
        try:
            peer = stream.get_extra_info("server_addr")
            if peer is None:
                raise httpcore.ConnectError("the connection broke at once")
            self._guard.check(host, peer[0])
        except (AddressRefused, httpcore.ConnectError):
            await stream.aclose()
            raise
        except OSError as error:  # hung up on while we asked
            await stream.aclose()
            raise httpcore.ConnectError(f"the connection broke at once: {error}") from error
