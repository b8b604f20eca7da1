"""Bodies without an end, and clients that take for ever: the API stays small and serves others."""

import asyncio
import contextlib
import logging
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.service import Process, Service, lasting

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(120)

GIGABYTE, MEBI = 1 << 30, 1 << 20
SLOW = 2_000
HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Service]:
    with lasting(tmp_path_factory.mktemp("crowds"), checkpoint) as service:
        yield service


def memory(process: Process, name: str) -> int:
    """A line of the process's status, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1_024


@contextlib.contextmanager
def growing(process: Process) -> Iterator[list[int]]:
    """By how many bytes the peak of its memory rose, once that is known."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # forget the peak so far
    before, grown = memory(process, "VmRSS"), list[int]()
    yield grown
    grown.append(memory(process, "VmHWM") - before)


def pour(service: Service, head: bytes, piece: bytes) -> tuple[int, bytes]:
    """Send a gigabyte, unless the other side has enough; bytes sent, and the answer."""
    sent = 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        try:
            connection.sendall(HEAD + head)
            while sent < GIGABYTE:
                connection.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed the door; what it said before is still to be read
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                answer += part
    return sent, answer


@pytest.mark.parametrize("way", ["chunked", "announced"])
def test_a_gigabyte_is_refused_and_not_kept(house: Service, way: str) -> None:
    data = b"x" * 262_144
    chunk = b"%x\r\n%s\r\n" % (len(data), data)
    head = b"Transfer-Encoding: chunked\r\n\r\n"
    if way == "announced":
        head, chunk = b"Content-Length: %d\r\n\r\n" % GIGABYTE, data
    house.http.get("/v1/queue")

    with growing(house.processes[0]) as grown:
        answers = [pour(house, head, chunk) for _ in range(3)]

    log.info(
        "%s: %.1f MiB more at the peak, %d MiB sent", way, grown[0] / MEBI, answers[0][0] / MEBI
    )
    assert grown[0] < 16 * MEBI
    assert any(answer.startswith(b"HTTP/1.1 413") for _, answer in answers)
    assert all(answer.startswith(b"HTTP/1.1 413") or not answer for _, answer in answers)
    assert house.http.get("/healthz").status_code == 200


def test_two_thousand_slow_clients_keep_nobody_from_being_served(house: Service) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < SLOW + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, SLOW + 1_000), hard))

    async def crowd() -> list[float]:
        loop = asyncio.get_running_loop()
        slow = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(SLOW)]
        serving = loop.run_in_executor(None, served, house)
        await drip([writer for _, writer in slow], serving)
        for _, writer in slow:
            writer.close()
        return await serving

    waits = asyncio.run(crowd())

    log.info("beside %d slow clients: median %.3f s, worst %.3f s", SLOW, median(waits), max(waits))
    assert len(waits) == 20
    assert house.processes[0].is_alive


async def drip(writers: list[asyncio.StreamWriter], serving: asyncio.Future[list[float]]) -> None:
    """A byte of a head, or of a body, now and then, to each, while others are served."""
    for place, writer in enumerate(writers):
        is_body = place % 2
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\n{" if is_body else HEAD[:-2])
    while not serving.done():
        await asyncio.sleep(1)
        for writer in writers:
            with contextlib.suppress(OSError):
                writer.write(b" ")


def served(service: Service) -> list[float]:
    """Seconds that each of some clients waited, who come while the slow ones are there."""
    waits = list[float]()
    for _ in range(20):
        began = time.monotonic()
        with httpx.Client(base_url=service.url, timeout=30) as http:
            wish = {"prompt": "a heart", "num_inference_steps": 2}
            answer = http.post("/v1/jobs", json=wish, headers={"Prefer": "wait=20"})
        assert answer.json()["status"] == "succeeded", answer.text
        waits.append(time.monotonic() - began)
    return waits
