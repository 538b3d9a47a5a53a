"""What reaches a publisher's connection, before aiortc and aioice look at it.

Both take whatever comes: each new source of RTP costs memory and reports for ever, each new address
that can authenticate itself is asked whether it is there, and whoever knows the port may send. So
packets are counted here, where they arrive, by the address that they come from.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from aioice import Connection

from shared.token_bucket import MICROS, Bucket, take

# Twice as many as the highest bit rate needs, where each is as large as it may be.
PACKETS: Final = Bucket(MICROS // 8000, 40_000)
# Of addresses that have not authenticated themselves yet: their first messages.
STRANGERS: Final = Bucket(MICROS // 50, 200)
# Addresses that have: those of the offer, of what follows it, and as the publisher is seen.
MAX_PLACES: Final = 64
# Pictures, sound, and their retransmissions; a browser that is restarted has others.
MAX_SOURCES: Final = 32
_LARGEST_STUN: Final = 3
TOO_MANY_PACKETS: Final = "too many packets"
TOO_MANY_SOURCES: Final = "too many sources of pictures and sound"

Place = tuple[str, int]


class Gate:
    """Stands before the sockets of a connection. ``ended`` is called with the reason, once, where
    the publisher itself sends too much; what others send is left out. ``clock``: steady, in
    seconds."""

    def __init__(
        self,
        ended: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ended = ended
        self._clock = clock
        self._closed = False
        self._own_at = 0
        self._strangers_at = 0
        self._sources: set[int] = set()

    def stand_before(self, connection: Connection) -> None:
        """All sockets of a connection that has gathered its candidates."""
        known: set[Place] = set()
        for protocol in connection._protocols:
            self._stand_before(protocol, connection, known)

    def _stand_before(self, protocol: Any, connection: Connection, known: set[Place]) -> None:
        received = protocol.datagram_received

        def arrived(data: bytes, address: tuple[Any, ...]) -> None:
            place = (address[0], address[1])
            if place not in known and not _is_known(connection, place):
                if self._takes_from_stranger(data, connection):
                    received(data, address)
                return
            known.add(place)
            if self._takes():
                received(data, address)

        protocol.datagram_received = arrived

    def _takes_from_stranger(self, data: bytes, connection: Connection) -> bool:
        if not data or data[0] > _LARGEST_STUN or len(connection._remote_candidates) >= MAX_PLACES:
            return False
        now = int(self._clock() * MICROS)
        pace, self._strangers_at = take(STRANGERS, self._strangers_at, now)
        return pace.allowed

    def _takes(self) -> bool:
        if self._closed:
            return False
        pace, self._own_at = take(PACKETS, self._own_at, int(self._clock() * MICROS))
        if not pace.allowed:
            self._end(TOO_MANY_PACKETS)
        return pace.allowed

    def watch_sources(self, transport: Any) -> None:
        """Of the packets that a DTLS transport has found to be the publisher's."""
        handle = transport._handle_rtp_data

        async def handled(data: bytes, arrival_time_ms: int) -> None:
            source = int.from_bytes(data[8:12], "big")
            if source not in self._sources and len(self._sources) >= MAX_SOURCES:
                self._end(TOO_MANY_SOURCES)
                return
            self._sources.add(source)
            await handle(data, arrival_time_ms=arrival_time_ms)

        transport._handle_rtp_data = handled

    def _end(self, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._ended(reason)


def _is_known(connection: Connection, place: Place) -> bool:
    return any(
        (candidate._network_host, candidate.port) == place
        for candidate in connection._remote_candidates
    )
