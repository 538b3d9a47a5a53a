"""Sends by SRT: a thread for each connection, which makes all its calls in order.

libsrt has no way into an event loop. None of the calls lasts longer than some seconds, so a
connection that is given up ends soon, and nothing closes a socket that another thread uses.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Self

from services.live.srt.library import Call, Library

# Seven packets of MPEG-TS: what SRT takes as one message.
_MESSAGE_BYTES: Final = 7 * 188


class Caller:
    """A connection that sends. Made by ``connect``."""

    def __init__(self, library: Library, handle: int, thread: ThreadPoolExecutor) -> None:
        self._library = library
        self._handle = handle
        self._thread = thread
        self._closing = False

    @classmethod
    async def connect(cls, library: Library, address: str, port: int, call: Call) -> Self:
        """Raises CallRefused, SrtError, OSError for a place that is no address."""
        thread = ThreadPoolExecutor(1, "srt caller")
        calling = thread.submit(library.call, address, port, call)
        try:
            handle = await asyncio.wrap_future(calling)
        except BaseException:
            calling.add_done_callback(partial(_hang_up, library))
            thread.shutdown(wait=False)
            raise
        return cls(library, handle, thread)

    async def send(self, data: bytes) -> None:
        """Packets of MPEG-TS. Waits while there is no room for them. Raises SrtError."""
        await asyncio.wrap_future(self._thread.submit(self._send, data))

    async def close(self) -> None:
        """End the connection; what waits to be sent is dropped."""
        self._closing = True
        closed = self._thread.submit(self._library.close, self._handle)
        self._thread.shutdown(wait=False)
        # It ends also where nobody waits for it any more.
        await asyncio.shield(asyncio.wrap_future(closed))

    def _send(self, data: bytes) -> None:
        for at in range(0, len(data), _MESSAGE_BYTES):
            message = data[at : at + _MESSAGE_BYTES]
            while not self._closing and not self._library.send(self._handle, message):
                pass


def _hang_up(library: Library, calling: Future[int]) -> None:
    """Nobody waits for this connection any more."""
    if not calling.cancelled() and calling.exception() is None:
        library.close(calling.result())
