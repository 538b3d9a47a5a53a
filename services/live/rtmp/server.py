"""Listens for publishers, and limits what one address may take."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from services.live.flv.sink import Admission, Sink
from services.live.ports import Credential, Publisher
from services.live.rtmp.connection import Connection
from shared.settings import Address
from shared.token_bucket import MICROS, Bucket, LocalBuckets

_BACKLOG: Final = 128
# How long publishers may take to be told and to go; what their sinks may take to pass on the rest.
_GOING_SECONDS: Final = 3.0
_PASSING_SECONDS: Final = 10.0
# Addresses whose limits are kept.
_MAX_ADDRESSES: Final = 10_000


class Limits(msgspec.Struct, frozen=True):
    """``handshake``, ``commands``, ``idle``: see Patience.

    ``open_per_address``: connections at once; ``connects``: of an address in a minute;
    ``waiting``: connections of all addresses that do not publish.
    """

    handshake: float = 5.0
    commands: float = 10.0
    idle: float = 15.0
    open_per_address: int = 16
    connects: int = 60
    waiting: int = 500


class RtmpServer:
    """Accepts publishers until ``close``. ``clock`` is a steady clock in seconds."""

    def __init__(
        self,
        admission: Admission,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admission = admission
        self._limits = limits or Limits()
        self._buckets = LocalBuckets(clock, _MAX_ADDRESSES)
        self._connects = _per_minute(self._limits.connects)
        self._connections: set[Connection] = set()
        self._open: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def listen(self, bind: Address, tls: ssl.SSLContext | None = None) -> int:
        """Accept publishers; the port, which the system chose where ``bind`` says 0. May be called
        again for another port. With ``tls``, by RTMPS."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self, self._limits),
            bind.host,
            bind.port,
            ssl=tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=self._limits.handshake if tls is not None else None,
        )
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def close(self, text: str = "the server is going down") -> None:
        """Accept no more, tell all publishers to connect again, and wait until they are gone.

        A sink that takes nothing holds up nobody: its connection is given up.
        """
        for server in self._servers:
            server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.stop(text)
        waiting = {connection.closed for connection in connections if connection.closed}
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_GOING_SECONDS)
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting, timeout=_PASSING_SECONDS)

    def accept(self, connection: Connection) -> bool:
        """Count a new connection; False where its address, or all together, have too many."""
        address = connection.address
        waiting = sum(not other.publishing for other in self._connections)
        if (
            waiting >= self._limits.waiting
            or self._open[address] >= self._limits.open_per_address
            or not self._buckets.take(address.encode(), self._connects).allowed
        ):
            return False
        self._connections.add(connection)
        self._open[address] += 1
        return True

    def forget(self, connection: Connection) -> None:
        """A connection that was accepted has ended."""
        self._connections.discard(connection)
        self._open[connection.address] -= 1
        if not self._open[connection.address]:
            del self._open[connection.address]

    async def admit(self, credential: Credential, publisher: Publisher) -> Sink:
        """Ask whether the key may publish. Raises Refused."""
        return await self._admission.admit(credential, publisher)


def _per_minute(count: int) -> Bucket:
    return Bucket(60 * MICROS // count, count)
