"""Which addresses the server may call for its users: the internet, and networks that an operator
names. Pure."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

# IANA's registries of special-purpose addresses (RFC 6890), without those that anybody may reach.
_SPECIAL_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Global unicast. Outside of it are loopback, link-local, site-local (fec0::/10), unique local and
# multicast addresses, and those that embed an IPv4 address: mapped, compatible, NAT64.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        # Protocol assignments: Teredo, benchmarks, ORCHID, and others.
        "2001::/23",
        "2001:db8::/32",
        # 6to4 leads to the IPv4 address in it.
        "2002::/16",
        "3fff::/20",
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


class Reach:
    """Whom the server may call for its users: public addresses, and ``networks``.

    The latter also without encryption.
    """

    def __init__(self, *networks: IPv4Network | IPv6Network) -> None:
        self.networks = networks

    @classmethod
    def parse(cls, value: str) -> Self:
        """Networks separated by commas: ``127.0.0.0/8, fd00::/8``. Raises ValueError."""
        return cls(*(ip_network(each.strip()) for each in value.split(",")))

    def allows(self, address: str, *, encrypted: bool) -> bool:
        """Whether an IP address may be called. Raises ValueError where it is none."""
        ip = _parsed(address)
        return any(ip in network for network in self.networks) or (encrypted and _is_public(ip))


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet. Raises ValueError where it is none."""
    return _is_public(_parsed(address))


def is_address(host: str) -> bool:
    """Whether a host is an IP address and not a name, in any form that resolvers accept.

    C libraries also read ``127.1``, ``0x7f000001`` and ``2130706433`` as addresses.
    """
    try:
        _parsed(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2].lower()
        return last.isdigit() or last.startswith("0x")
    return True


def _parsed(address: str) -> IPv4Address | IPv6Address:
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip in _MAPPED:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    return ip in _GLOBAL_V6 and not any(ip in network for network in _SPECIAL_V6)
