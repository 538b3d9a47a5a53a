"""The network identity of a caller, which the caller cannot choose.

Each proxy appends the address that it sees to X-Forwarded-For. With exactly N trusted proxies, the
outermost of them wrote the N-th entry from the right; a client can forge all entries to its left.
With no trusted proxy only the connection's own address counts.
"""

from collections.abc import Sequence
from typing import Final

from shared.caller_identity import identity_of

_MAX_KNOWN: Final = 10_000


class ClientAddress:
    """Finds the identity of clients behind exactly ``trusted_proxies`` proxies."""

    def __init__(self, trusted_proxies: int) -> None:
        self._trusted = trusted_proxies
        self._known: dict[str, str] = {}

    def of(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """``203.0.113.7`` or ``2001:db8::/64``, or ``unknown`` where there is no address."""
        if not self._trusted or not forwarded_for:
            return self.identity(peer) or "unknown"
        chain = b",".join(forwarded_for).decode("latin-1").split(",")
        entry = chain[max(0, len(chain) - self._trusted)]
        return self.identity(_without_port(entry.strip())) or self.identity(peer) or "unknown"

    def scheme(self, own: str, forwarded_proto: Sequence[bytes]) -> str:
        """The scheme of the client's own connection, as the outermost trusted proxy reports it."""
        if self._trusted and forwarded_proto:
            claimed = forwarded_proto[-1].rpartition(b",")[2].strip().lower()
            return "https" if claimed == b"https" else "http"
        return own

    def identity(self, address: str) -> str:
        """The identity that an address belongs to; empty where it is none."""
        known = self._known.get(address)
        if known is None:
            known = identity_of(address)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[address] = known
        return known


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, _ = entry.partition(":")
    return host if colon and entry.count(":") == 1 else entry
