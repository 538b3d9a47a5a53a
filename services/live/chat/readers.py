"""Readers of one chat: what each of them still has to get, and how many there may be. No I/O."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Final

import msgspec

from services.live.chat.access import Caller
from services.live.chat.entries import frame
from services.live.chat.rules import TooManyReaders

PER_ADDRESS: Final = 100
PER_ROOM: Final = 3000
PER_PROCESS: Final = 5000
"""Readers at one time, in this process."""
QUEUE: Final = 250
"""Events that a slow reader may be behind."""
_RETRY_SECONDS: Final = 5


class Reader:
    """One connection."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE + 2)
        self._over = False

    @property
    def user_id(self) -> str | None:
        """Who it is; None for who is not signed in."""
        user = self.caller.principal
        return user.user_id if user is not None else None

    def add(self, event: bytes) -> None:
        """Queue an event. A reader that is too far behind is told so, and ends."""
        if self._over:
            return
        if self._queue.qsize() >= QUEUE:
            self.end("too_slow")
        else:
            self._queue.put_nowait(event)

    def end(self, reason: str) -> None:
        """Say why, after all that is queued, and end."""
        if self._over:
            return
        self._over = True
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(frame("end", {"reason": reason}))
            self._queue.put_nowait(None)

    async def next(self, timeout: float) -> bytes | None:
        """The next event; None at the end. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._queue.get()


class Limits(msgspec.Struct, frozen=True):
    """How many readers there may be at one time."""

    per_address: int = PER_ADDRESS
    per_room: int = PER_ROOM
    per_process: int = PER_PROCESS


class Places:
    """Counts readers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.addresses: Counter[str] = Counter()
        self.rooms: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Readers of this process."""
        return self.rooms.total()

    def check(self, video_id: str, address: str) -> None:
        """Raises TooManyReaders if there is no place."""
        full = (
            self.addresses[address] >= self._limits.per_address
            or self.rooms[video_id] >= self._limits.per_room
            or self.taken >= self._limits.per_process
        )
        if full:
            raise TooManyReaders(
                "Too many people read this chat at once.", retry_after=_RETRY_SECONDS
            )

    def enter(self, video_id: str, address: str) -> None:
        """Take a place. Raises TooManyReaders."""
        self.check(video_id, address)
        self.addresses[address] += 1
        self.rooms[video_id] += 1

    def leave(self, video_id: str, address: str) -> None:
        for counter, key in ((self.addresses, address), (self.rooms, video_id)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]
