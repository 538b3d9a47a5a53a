"""Receives MPEG-TS by SRT: a thread of libsrt's for each publisher, handed over in order.

libsrt has its own threads and no way into an event loop, so each connection is read by a thread
that fills a bounded buffer. While the buffer is full the thread waits, and SRT drops what arrives
too late for its latency: a slow consumer costs quality, never memory.
"""

import asyncio
import ctypes
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from services.live.srt.calls import SrtError
from services.live.srt.doorstep import Doorstep, Place
from services.live.srt.library import MESSAGE_BYTES, Library
from services.live.srt.listening import Admit, Listening
from shared.token_bucket import MICROS, Bucket, take

_BUFFER_BYTES: Final = 4 * 1024 * 1024
_IDLE_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 2.0
# Twice as many as the highest bit rate needs, where each is as large as it may be.
MESSAGES: Final = Bucket(MICROS // 8000, 40_000)

# Programs change the key after 2^24 packets, of which some are lost on the way.
KEY_CHANGES_AFTER: Final = 15_500_000
# How long new keys that have arrived wait for libsrt at most: the system holds some hundreds.
_KEYS_SECONDS: Final = 3.0


class Connection:
    """One publisher. ``stream_id`` is what it said in its handshake, ``place`` where it is.
    ``failure``: why it was ended, where it has not gone by itself."""

    def __init__(
        self,
        library: Library,
        handle: int,
        loop: asyncio.AbstractEventLoop,
        doorstep: Doorstep,
    ) -> None:
        self.stream_id = library.stream_id(handle)
        self.place: Place = library.peer(handle)
        self.failure: str | None = None
        self._library = library
        self._handle = handle
        self._loop = loop
        self._doorstep = doorstep
        self._room = threading.Condition()
        self._held = bytearray()
        self._ended = False
        self._wake = asyncio.Event()
        library.return_soon(handle)
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

    def close(self, failure: str | None = None) -> None:
        """End the connection, in a moment; what has arrived can still be read."""
        with self._room:
            self.failure = self.failure or failure
            self._ended = True
            self._room.notify()
        self._wake.set()

    def _receive(self) -> None:
        self._receive_all()
        with self._room:
            self._ended = True
        _tell(self._loop, self._wake.set)
        if self._doorstep.distrust(self.place):
            # libsrt would go on with keys whose memory it has freed.
            time.sleep(_KEYS_SECONDS)
        self._library.close(self._handle)

    def _receive_all(self) -> None:
        buffer = ctypes.create_string_buffer(MESSAGE_BYTES)
        latest, full_at, count = time.monotonic(), 0, 0
        while not self._ended:
            length = self._library.receive(self._handle, buffer)
            now = time.monotonic()
            if length:
                latest = now
                count += 1
                if count == KEY_CHANGES_AFTER:
                    self._doorstep.trust(self.place)
                pace, full_at = take(MESSAGES, full_at, int(now * MICROS))
                if not pace.allowed:
                    self.failure = "too many packets"
                    return
                self._hold(buffer.raw[:length])
            elif length == 0 or now - latest > _IDLE_SECONDS:
                return

    def _hold(self, message: bytes) -> None:
        """Wait for room, and put it there."""
        with self._room:
            self._room.wait_for(lambda: self._ended or len(self._held) < _BUFFER_BYTES)
            if self._ended:
                return
            told = bool(self._held)
            self._held += message
        if not told:
            _tell(self._loop, self._wake.set)


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
        self._closing = False

    def open(self, address: str, port: int) -> int:
        """Begin to listen, and return the port: the system chooses for 0. Raises SrtError."""
        listening = Listening(self._library, address, port, self._latency_ms, self._admit)
        threading.Thread(
            target=self._accept, args=(listening,), daemon=True, name="srt listener"
        ).start()
        return listening.port

    async def close(self) -> None:
        """Refuse new publishers, end those that are there, and wait until they are handled."""
        self._closing = True
        for connection in self._connections:
            connection.close()
        sessions = list(self._sessions)
        if sessions:
            _, slow = await asyncio.wait(sessions, timeout=_STOP_SECONDS)
            for session in slow:
                session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _accept(self, listening: Listening) -> None:
        # At the end of the library there is nothing more to close.
        with suppress(SrtError):
            while not self._closing:
                for place in listening.insistent():
                    _tell(self._loop, partial(self._end, place))
                caller = listening.accept()
                if caller is None:
                    continue
                begin = partial(self._begin, caller, listening.doorstep)
                if not _tell(self._loop, begin):
                    self._library.close(caller)
        listening.close()

    def _end(self, place: Place) -> None:
        for connection in self._connections:
            if connection.place == place:
                connection.close("too many changes of the key")

    def _begin(self, caller: int, doorstep: Doorstep) -> None:
        try:
            if self._closing:
                raise SrtError("the listener is closed")
            connection = Connection(self._library, caller, self._loop, doorstep)
        except SrtError:
            # Also one that has gone again.
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


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> bool:
    """Call it in the loop; False where that has ended, as the process does."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return False
    return True
