"""Wires do what the plan says: they carry, hold up, hold back and tear."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.plan import Deed, draw_plan, every_harm
from tests.faults.proxy import Network, Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire to somebody who says everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(1_024):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=[connection], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    network = Network()
    with network.running():
        yield network.wire(server.getsockname())
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()


def call(wire: Wire) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", wire.port), timeout=5)
    connection.sendall(b"a")
    assert connection.recv(8) == b"a"
    return connection


def test_a_cut_wire_holds_back_and_loses_nothing(wire: Wire) -> None:
    with call(wire) as connection:
        wire.cut()
        connection.settimeout(0.3)
        connection.sendall(b"b")
        with pytest.raises(TimeoutError):
            connection.recv(8)

        wire.mend()

        connection.settimeout(5)
        assert connection.recv(8) == b"b"


def test_a_call_into_a_cut_wire_hears_nothing_until_it_is_whole(wire: Wire) -> None:
    wire.cut()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=0.3) as connection:
        connection.sendall(b"c")
        with pytest.raises(TimeoutError):
            connection.recv(8)
        wire.mend()
        connection.settimeout(5)
        assert connection.recv(8) == b"c"


def test_a_slow_wire_takes_its_time_each_way(wire: Wire) -> None:
    with call(wire) as connection:
        wire.slow(0.2)
        began = time.monotonic()
        connection.sendall(b"d")
        assert connection.recv(8) == b"d"
        assert time.monotonic() - began >= 0.4


def test_a_torn_wire_resets_all_that_speak_and_takes_new_calls(wire: Wire) -> None:
    with call(wire) as connection:
        wire.tear()
        with pytest.raises(ConnectionResetError):
            connection.recv(8)
    call(wire).close()


def test_a_plan_is_its_seed_and_deals_every_harm() -> None:
    plan = draw_plan(Random(3), 60)
    flat = [fault for group in plan for fault in group]

    assert plan == draw_plan(Random(3), 60)
    assert plan != draw_plan(Random(4), 60)
    assert {(fault.deed, fault.target) for fault in flat[:30]} == set(every_harm())
    assert {fault.deed for fault in flat} == set(Deed)
    assert any(len(group) == 2 for group in plan)
