"""Who an address belongs to, for limits: an IPv6 caller owns at least a /64 and can use any address
in it, so the /64 is the identity (RFC 6177)."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def identity_of(address: str) -> str:
    """``203.0.113.7`` or ``2001:db8::/64``; empty where it is no address."""
    try:
        parsed = parsed_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def parsed_address(address: str) -> IPv4Address | IPv6Address:
    """An address without its zone; IPv4 also where IPv6 carries it. Raises ValueError."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
