"""How many idle connections an address may keep, and how long the system waits for a reader.

The server, which is not Python, accepts connections without asking. It does so in this process, so
what it has accepted can be looked at and ended from here: a socket that is shut down looks to the
server as if the client had hung up. Of an address with too many connections without a request, the
oldest are ended, so that somebody else at this address still gets one.

Behind a proxy all connections are the proxy's, and only the proxy can count its clients'.
"""

import asyncio
import os
import socket
import stat
import struct
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.gateway.request.exchange import STALL_SECONDS

SWEEP_SECONDS: Final = 0.5
PER_ADDRESS: Final = 256
_FILES: Final = "/proc/self/fd"
_DISCARD: Final = struct.pack("ii", 1, 0)  # linger for no time

Peer = tuple[str, str]
"""Address and port, as the server writes them."""
Socket = tuple[int, int]
"""A file descriptor and its inode: a descriptor alone may be another file a moment later."""


class Connections:
    """The connections of clients to ``port``.

    ``identity`` makes an address of a peer's. With ``idle_per_address`` None there is no limit.
    """

    def __init__(
        self,
        port: int,
        identity: Callable[[str], str],
        idle_per_address: int | None,
        registry: CollectorRegistry,
    ) -> None:
        self._busy: set[Peer] = set()
        self._port = port
        self._identity = identity
        self._most = idle_per_address
        self._known: dict[Socket, Peer | None] = {}
        self._idle_since: dict[Socket, float] = {}
        self._gauge = Gauge(
            "gateway_client_connections",
            "Connections of clients, by state.",
            ["state"],
            registry=registry,
        )
        self._ended = Counter(
            "gateway_client_connections_ended_total",
            "Idle connections ended because their address has too many.",
            registry=registry,
        )

    def enter(self, client: tuple[str, int] | None) -> None:
        """The connection of ``client`` has a request under way, until it leaves."""
        if client is not None:
            # Granian gives the port as a string.
            self._busy.add((client[0], str(client[1])))

    def leave(self, client: tuple[str, int] | None) -> None:
        """The request of ``client`` has ended."""
        if client is not None:
            self._busy.discard((client[0], str(client[1])))

    async def sweep(self) -> None:
        """End idle connections beyond the limit. Call it every ``SWEEP_SECONDS``."""
        # Thousands of descriptors take some milliseconds, in which the loop should answer.
        found = await asyncio.to_thread(self._look)
        idle = {key: peer for key, peer in found.items() if peer not in self._busy}
        now = time.monotonic()
        self._idle_since = {key: self._idle_since.get(key, now) for key in idle}
        self._gauge.labels("idle").set(len(idle))
        self._gauge.labels("busy").set(len(found) - len(idle))
        if self._most is None or len(idle) <= self._most:
            return
        by_address: dict[str, list[Socket]] = {}
        for key, (address, _) in idle.items():
            by_address.setdefault(self._identity(address), []).append(key)
        for keys in by_address.values():
            if len(keys) > self._most:
                keys.sort(key=self._idle_since.__getitem__)
                for key in keys[: len(keys) - self._most]:
                    self._end(key, idle[key])

    def hang_up(self, client: tuple[str, int] | None) -> None:
        """End the connection of a client that does not read, with all that waits to be sent.

        The server would keep it until the system gives it up.
        """
        peer = None if client is None else (client[0], str(client[1]))
        for key, known in self._known.items():
            if peer is not None and known == peer:
                _shut(key, discard=True)
                return

    def _look(self) -> dict[Socket, Peer]:
        """The clients' sockets among the files of this process, with their peers."""
        known: dict[Socket, Peer | None] = {}
        for name in os.listdir(_FILES):
            descriptor = int(name)
            try:
                status = os.fstat(descriptor)
            except OSError:
                continue
            if stat.S_ISSOCK(status.st_mode):
                key = (descriptor, status.st_ino)
                known[key] = self._known[key] if key in self._known else self._peer(descriptor)
        self._known = known
        return {key: peer for key, peer in known.items() if peer is not None}

    def _peer(self, descriptor: int) -> Peer | None:
        """The peer of a client's socket; None for any other one."""
        try:
            with socket.socket(fileno=os.dup(descriptor)) as found:
                if found.family not in (socket.AF_INET, socket.AF_INET6):
                    return None
                if found.getsockname()[1] != self._port:
                    return None
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    _limit_unread(found)
                    return None
                host, port = found.getpeername()[:2]
                return host, str(port)
        except OSError:
            return None

    def _end(self, key: Socket, peer: Peer) -> None:
        """End a connection that has no request yet."""
        if peer not in self._busy and _shut(key):
            self._ended.inc()


def _shut(key: Socket, *, discard: bool = False) -> bool:
    """Shut a socket down, if it is still the one that was looked at; returns whether it was."""
    descriptor, inode = key
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if os.fstat(found.fileno()).st_ino != inode:
                return False
            if discard:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
            found.shutdown(socket.SHUT_RDWR)
            return True
    except OSError:
        return False


def _limit_unread(listener: socket.socket) -> None:
    """Let the system end a connection whose client takes nothing for as long as a reader may.

    Accepted sockets inherit it. It also ends answers that the server has, and the application no
    longer knows of.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_SECONDS * 1000))
