"""Which addresses a webhook may reach: global ones, and what the operator opened by name.

Decides about addresses, never about spellings: whatever a URL looks like, it is asked about the
address that a socket is about to be connected to. Ranges: IANA's special-purpose registries
(RFC 6890), with what carries an IPv4 address inside IPv6 counted as not global.
"""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_GLOBAL_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 is the machine itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # one cloud's platform service, although its range is public
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
GLOBAL_V6 = IPv6Network("2000::/3")  # the only range handed out; NAT64, ULA, mapped lie outside
NOT_GLOBAL_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
]
ISATAP = 0x5EFE  # RFC 5214: an interface id with an IPv4 address inside


class AddressRefused(Exception):
    """A webhook would have reached an address that it must not; nothing was sent."""


class Guard:
    """The rule of one sender. `networks` and `hosts` are opened although they are not global."""

    def __init__(self, networks: Sequence[Network] = (), hosts: Collection[str] = ()) -> None:
        self._networks = networks
        self._hosts = hosts

    def allows(self, host: str, address: str) -> bool:
        """Whether a URL's host may be reached at this address."""
        found = ip_address(address)
        if host.lower().removesuffix(".") in self._hosts:
            return True
        if any(found in network for network in self._networks):
            return True
        return is_global(found)

    def check(self, host: str, address: str) -> None:
        """Raises:
        AddressRefused: The host may not be reached at this address.
        """
        if not self.allows(host, address):
            raise AddressRefused("the address is not a public one")


def is_global(address: Address) -> bool:
    """Whether the address is one of the public Internet's, for one host, of either version."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_GLOBAL_V4)
    if address.scope_id is not None or address not in GLOBAL_V6:
        return False
    is_isatap = (int(address) >> 32) & 0xFFFF == ISATAP
    return not is_isatap and not any(address in network for network in NOT_GLOBAL_V6)
