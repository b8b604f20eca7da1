"""No spelling of a host, and no trick of a name server, leads to an address that is not public."""

import asyncio
import ssl
from ipaddress import ip_address, ip_network
from itertools import cycle
from pathlib import Path

import pytest

from app.jobs.webhook import receiver_of
from app.webhooks.guard import Guard, is_global
from app.webhooks.network import GuardedNetwork, Resolve, system_resolver
from app.webhooks.post import Outcome, Poster
from tests.app.webhooks.receiver import listening, receiving

SPELLINGS = (Path(__file__).parent / "spellings.txt").read_text().split()
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "2400:cb00::1",
    "2003::1",
]


def poster(guard: Guard, resolve: Resolve | None = None) -> Poster:
    network = GuardedNetwork(guard, resolve or system_resolver())
    return Poster(network, ssl.create_default_context(), total_s=3)


def post(url: str, sender: Poster | None = None) -> Outcome:
    return asyncio.run((sender or poster(Guard())).post(url, {}, b"{}"))


def test_the_table_is_long_enough() -> None:
    assert len(set(SPELLINGS)) >= 90


@pytest.mark.timeout(30)
def test_no_spelling_reaches_a_canary_on_loopback() -> None:
    sender, told = poster(Guard()), dict[str, str]()
    with listening() as canary, listening(host="::1", port=canary.port) as canary6:

        async def try_all() -> None:
            for spelling in SPELLINGS:
                url = f"http://{spelling}:{canary.port}/"
                try:
                    receiver_of(url)
                except ValueError as error:
                    told[spelling] = str(error)
                    continue
                outcome = await sender.post(url, {}, b"{}")
                assert outcome.code is None, spelling
                told[spelling] = outcome.reason

        asyncio.run(try_all())
        assert canary.connections == canary6.connections == 0
    unclear = {
        spelling: reason
        for spelling, reason in told.items()
        if not reason.startswith(("the address is not a public one", "must "))
        and not (spelling == "localhost." and "cannot be resolved" in reason)  # as the system likes
    }
    assert unclear == {}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_next_to_the_ranges_are_allowed(address: str) -> None:
    assert is_global(ip_address(address))


def test_an_opened_network_opens_nothing_else() -> None:
    guard = Guard([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])

    assert guard.allows("a.example", "10.1.2.3")
    assert guard.allows("a.example", "fd00::1")
    assert not guard.allows("a.example", "10.2.0.1")
    assert not guard.allows("a.example", "::ffff:10.1.2.3")
    assert not guard.allows("a.example", "127.0.0.1")


def test_an_opened_host_opens_its_own_name_only() -> None:
    guard = Guard(hosts={"hooks.internal"})

    assert guard.allows("hooks.internal", "10.0.0.1")
    assert guard.allows("HOOKS.internal.", "10.0.0.1")
    assert not guard.allows("hooks.internal.example.org", "10.0.0.1")
    assert not guard.allows("10.0.0.1", "10.0.0.1")


def test_a_name_that_is_rebound_after_the_check_is_not_asked_again() -> None:
    """The name answers the open address first and the canary's second, with a lifetime of 0."""
    answers, asked = cycle([["127.0.0.2"], ["127.0.0.1"]]), list[str]()

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    sender = poster(Guard([ip_network("127.0.0.2/32")]), rebinding)
    with receiving(host="127.0.0.2") as receiver, listening(port=receiver.port) as canary:
        url = f"http://rebind.example:{receiver.port}/"
        outcomes = [post(url, sender) for _ in range(4)]

        assert [outcome.code for outcome in outcomes] == [200, None, 200, None]
        assert [outcome.is_final for outcome in outcomes] == [False, True, False, True]
        assert asked == ["rebind.example"] * 4
        assert receiver.received[0].headers["host"] == f"rebind.example:{receiver.port}"
        assert canary.connections == 0


def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "127.0.0.3", "127.0.0.2"]

    sender = poster(Guard([ip_network("127.0.0.2/31")]), mixed)
    with receiving(host="127.0.0.2") as receiver, listening(port=receiver.port) as canary:
        assert post(f"http://mixed.example:{receiver.port}/", sender).code == 200
        assert len(receiver.received) == 1
        assert canary.connections == 0


def test_a_name_without_an_address_is_a_failure_and_no_refusal() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        return []

    for url in ("http://no-such-name.invalid/", f"http://{'a' * 64}.example/"):
        outcome = post(url)
        assert (outcome.code, outcome.is_final) == (None, False)
    assert (
        post("http://empty.example/", poster(Guard(), nothing)).reason == "the name has no address"
    )
