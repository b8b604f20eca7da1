"""The wires between the parts, each of which can be cut, slowed and torn.

One TCP proxy a wire. A cut wire loses nothing: what is sent waits and arrives when it is whole
again, unless an end has given up by then, as with packets that are sent again.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST instead of FIN
Address = str | tuple[str, int]  # a unix socket's path, or host and port


class Wire:
    """One way to one server. All methods may be called from any thread."""

    def __init__(self, target: Address, loop: asyncio.AbstractEventLoop) -> None:
        self.target = target
        self.port = 0
        self._loop = loop
        self._delay_s = 0.0
        self._is_whole = asyncio.Event()
        self._is_whole.set()
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Let nothing through, in either direction, until `mend`."""
        self._loop.call_soon_threadsafe(self._is_whole.clear)

    def slow(self, delay_s: float) -> None:
        """Hold every piece up, in either direction, until `mend`."""
        self._loop.call_soon_threadsafe(setattr, self, "_delay_s", delay_s)

    def tear(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._tear)

    def mend(self) -> None:
        self.slow(0.0)
        self._loop.call_soon_threadsafe(self._is_whole.set)

    async def carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        ends = [back]
        self._ends.add(back)
        try:
            await self._is_whole.wait()
            far, forth = await self._connect()
            ends.append(forth)
            self._ends.add(forth)
            await asyncio.gather(self._pump(near, forth), self._pump(far, back))
        except OSError:
            return  # nobody there to be called
        finally:
            for end in ends:
                self._close(end)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await asyncio.sleep(self._delay_s)
                await self._is_whole.wait()
                writer.write(data)
                await writer.drain()
            await self._is_whole.wait()
        self._close(writer)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        self._ends.discard(writer)
        writer.close()

    def _tear(self) -> None:
        for writer in self._ends:
            end = writer.get_extra_info("socket")
            if end.family != socket.AF_UNIX:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._ends.clear()


class Network:
    """All wires, carried by one thread within `running()`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    def wire(self, target: Address) -> Wire:
        """A new wire; clients connect to its `port`."""
        wire = Wire(target, self._loop)
        self._do(self._listen(wire))
        return wire

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._do(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _listen(self, wire: Wire) -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(wire.carry(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=256)
        self._servers.append(server)
        wire.port = server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
