"""Who an address belongs to, for limits: an IPv6 caller owns at least a /64 and can use any address
in it, so the /64 is the identity (RFC 6177)."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def identity_of(address: str) -> str:
    """``203.0.113.7`` or ``2001:db8::/64``; empty where it is no address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
