"""An island: a network of its own with a name server that lies, for one sender of webhooks.

Runs inside fresh user, mount and network namespaces, as `python -m tests.e2e.island FOLDER`. Public
and private addresses alike lie on its loopback interface, so the sender's guard is the real one and
so is the system's resolver. Ends when its standard input does, and says then what it has seen.
"""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from tests.app.webhooks.receiver import Answer, listening, receiving

PORT = 8080
PUBLIC, OTHER = "1.1.1.1", "8.8.8.8"
PRIVATE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1")
PRIVATE6 = ("::1", "fd00::1")
ADDRESSES: dict[str, list[str]] = {  # answers, one after the other, each with a lifetime of 0 s
    "rebind.example": [PUBLIC, "127.0.0.1"],
    "cloud.example": [PUBLIC, "169.254.169.254"],
    "inside.example": ["10.0.0.1"],
    "home.example": ["192.168.1.1"],
    "carrier.example": ["100.64.0.1"],
    "loop.example": ["127.0.0.1"],
    "redirect.example": [OTHER],
}
ADDRESSES6 = {"six.example": "::1", "ula.example": "fd00::1", "mapped.example": "::ffff:127.0.0.1"}
MIXED = "mixed.example"  # both a private and a public address in one answer
TYPE_A, TYPE_AAAA = 1, 28


class NameServer(threading.Thread):
    """Answers A and AAAA on UDP port 53 (RFC 1035); `asked` counts the queries of each name."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        self.asked = Counter[str]()

    def run(self) -> None:
        while True:
            query, client = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(query), client)

    def answer(self, query: bytes) -> bytes:
        labels, place = list[bytes](), 12
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length])
            place += 1 + length
        (kind,) = struct.unpack(">H", query[place + 1 : place + 3])
        found = self.addresses(b".".join(labels).decode().lower(), kind)
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        records = (
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(address)) + address
            for address in found
        )
        return head + query[12 : place + 5] + b"".join(records)

    def addresses(self, name: str, kind: int) -> list[bytes]:
        if kind == TYPE_AAAA and name in ADDRESSES6:
            return [socket.inet_pton(socket.AF_INET6, ADDRESSES6[name])]
        if kind != TYPE_A:
            return []
        if name == MIXED:
            return [socket.inet_aton(address) for address in ("127.0.0.1", PUBLIC)]
        if name not in ADDRESSES:
            return []
        answers = ADDRESSES[name]
        self.asked[name] += 1
        return [socket.inet_aton(answers[(self.asked[name] - 1) % len(answers)])]


def settle_island(folder: Path) -> None:
    """Addresses on the interface, and our name server as the system's."""
    for address in (*PRIVATE, PUBLIC, OTHER):
        run("ip", "addr", "add", f"{address}/32", "dev", "lo")
    run("ip", "link", "set", "lo", "up")
    run("ip", "-6", "addr", "add", "fd00::1/128", "dev", "lo", "nodad")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:2 attempts:1\n")
    run("mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf")


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    folder = Path(sys.argv[1])
    settle_island(folder)
    names = NameServer()
    names.start()
    targets = [f"http://{host}:{PORT}/" for host in (*PRIVATE, "[::1]")]
    turns = count()
    away: list[Answer] = [(301 + next(turns) % 8, {"Location": target}) for target in targets * 2]
    with ExitStack() as stack:
        public = stack.enter_context(receiving((500, {}), host=PUBLIC, port=PORT))
        redirecting = stack.enter_context(receiving(*away, host=OTHER, port=PORT))
        canaries = {
            host: stack.enter_context(listening(host=host, port=PORT))
            for host in (*PRIVATE, *PRIVATE6)
        }
        with (folder / "island.log").open("wb") as log:
            command = [sys.executable, "-m", "app.cli", "webhooks"]
            sender = subprocess.Popen(command, stdout=log, stderr=log)
            sys.stdin.read()
            sender.terminate()
            sender.wait(30)
        seen = {
            "canaries": {host: canary.connections for host, canary in canaries.items()},
            "public": [one.headers["host"] for one in public.received],
            "redirecting": len(redirecting.received),
            "asked": dict(names.asked),
        }
    print(json.dumps(seen))  # noqa: T201 - read by the test outside


if __name__ == "__main__":
    main()
