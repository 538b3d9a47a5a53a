"""Receives MPEG-TS by SRT: a thread of libsrt's for each publisher, handed over in order.

libsrt has its own threads and no way into an event loop, so each connection is read by a thread
that fills a bounded buffer. While the buffer is full the thread waits, and SRT drops what arrives
too late for its latency: a slow consumer costs quality, never memory.
"""

import asyncio
import ctypes
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from services.live.srt.library import MESSAGE_BYTES, Admit, Library, SrtError

_BUFFER_BYTES: Final = 4 * 1024 * 1024
_IDLE_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 2.0


class Connection:
    """One publisher. ``stream_id`` is what it said in its handshake, ``address`` where it is."""

    def __init__(self, library: Library, handle: int, loop: asyncio.AbstractEventLoop) -> None:
        self.stream_id = library.stream_id(handle)
        self.address = library.peer(handle)
        self._library = library
        self._handle = handle
        self._loop = loop
        self._room = threading.Condition()
        self._held = bytearray()
        self._ended = False
        self._wake = asyncio.Event()
        library.set_idle_limit(handle, _IDLE_SECONDS)
        self._thread = threading.Thread(target=self._receive, daemon=True, name="srt publisher")

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    async def read(self) -> bytes:
        """All that has arrived since the last call, waiting for something; b"" at the end."""
        # It is set once for each time that the buffer gets its first bytes, and at the end.
        await self._wake.wait()
        with self._room:
            data = bytes(self._held)
            self._held.clear()
            if not self._ended:
                self._wake.clear()
            self._room.notify()
        return data

    def close(self) -> None:
        """End the connection; what has arrived can still be read."""
        self._library.close(self._handle)
        with self._room:
            self._ended = True
            self._room.notify()
        self._wake.set()

    def _receive(self) -> None:
        buffer = ctypes.create_string_buffer(MESSAGE_BYTES)
        while length := self._library.receive(self._handle, buffer):
            with self._room:
                self._room.wait_for(lambda: self._ended or len(self._held) < _BUFFER_BYTES)
                if self._ended:
                    return
                told = bool(self._held)
                self._held += buffer.raw[:length]
            if not told:
                self._loop.call_soon_threadsafe(self._wake.set)
        with self._room:
            self._ended = True
        self._loop.call_soon_threadsafe(self._wake.set)


class Listener:
    """Listens until ``close``; each publisher that ``admit`` lets in is given to ``serve``."""

    def __init__(
        self,
        library: Library,
        *,
        admit: Admit,
        serve: Callable[[Connection], Awaitable[None]],
        latency_ms: int,
    ) -> None:
        self._library = library
        self._admit = admit
        self._serve = serve
        self._latency_ms = latency_ms
        self._loop = asyncio.get_running_loop()
        self._sessions: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._handle: int | None = None

    def open(self, address: str, port: int) -> int:
        """Begin to listen, and return the port: the system chooses for 0. Raises SrtError."""
        self._handle = self._library.listen(address, port, self._latency_ms, self._admit)
        threading.Thread(target=self._accept, daemon=True, name="srt listener").start()
        return self._library.port(self._handle)

    async def close(self) -> None:
        """Refuse new publishers, end those that are there, and wait until they are handled."""
        if self._handle is not None:
            self._library.close(self._handle)
        for connection in self._connections:
            connection.close()
        sessions = list(self._sessions)
        if sessions:
            _, slow = await asyncio.wait(sessions, timeout=_STOP_SECONDS)
            for session in slow:
                session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _accept(self) -> None:
        handle = self._handle
        while handle is not None and (caller := self._library.accept(handle)) is not None:
            self._loop.call_soon_threadsafe(self._begin, caller)

    def _begin(self, caller: int) -> None:
        try:
            connection = Connection(self._library, caller, self._loop)
        except SrtError:
            # It has gone again.
            self._library.close(caller)
            return
        self._connections.add(connection)
        session = self._loop.create_task(self._run(connection), name="srt session")
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def _run(self, connection: Connection) -> None:
        connection.start()
        try:
            await self._serve(connection)
        finally:
            connection.close()
            self._connections.discard(connection)
