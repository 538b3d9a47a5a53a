"""Who is calling, as far as the network can tell, in a way the caller cannot choose.

Each proxy appends the address it saw to X-Forwarded-For. With exactly N trusted proxies
the N-th entry from the right was written by the outermost of them; all to its left is
hearsay. With none, only the connection's own address counts. An IPv6 caller owns at least
a /64 and can use any address in it, so that is the identity (RFC 6177).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

_REMEMBERED = 10_000


class ClientAddress:
    """Tells the client's identity, behind exactly `trusted_proxies`."""

    def __init__(self, trusted_proxies: int) -> None:
        self._trusted = trusted_proxies
        self._known: dict[str, str] = {}

    def of(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """The identity: `203.0.113.7` or `2001:db8::/64`; `unknown` if there is no address."""
        if not self._trusted or not forwarded_for:
            return self._identity(peer) or "unknown"
        chain = b",".join(forwarded_for).decode("latin-1").split(",")
        entry = chain[max(0, len(chain) - self._trusted)]
        return self._identity(_without_port(entry.strip())) or self._identity(peer) or "unknown"

    def scheme(self, own: str, forwarded_proto: Sequence[bytes]) -> str:
        """`https` if the client's own connection is; only trusted proxies are believed."""
        if self._trusted and forwarded_proto:
            claimed = forwarded_proto[-1].rpartition(b",")[2].strip().lower()
            return "https" if claimed == b"https" else "http"
        return own

    def _identity(self, address: str) -> str:
        known = self._known.get(address)
        if known is None:
            known = _identity(address)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[address] = known
        return known


def _identity(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, _ = entry.partition(":")
    return host if colon and entry.count(":") == 1 else entry
