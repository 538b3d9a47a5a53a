"""What changes of the answers that are the same for everybody, for gateways that keep them.

A gateway is told what to drop once the read models show something else. An answer shows one video,
or lists, whose members and order many events change.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    TranscodeProgressed,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    UserDeleted,
    ViewsCounted,
    category_of,
    entity_of,
)
from shared.event_store.store import SequencedEvent
from shared.loops.waiting import wait_for_event

LISTS: Final = "lists"
"""What an answer shows that names more than one video."""

_MOST: Final = 2000
# Seconds after a question for which events are read for the next one.
_ASKED_SECONDS: Final = 60.0

# They change jobs alone, or nothing. Views are shown before their event: it changes no sum. What
# such an event changes of a row nobody is shown but its time.
_UNSEEN: Final = (
    AudioEncoded,
    ChunkEncoded,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    TranscodeProgressed,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    ViewsCounted,
)


class Shown(msgspec.Struct, frozen=True):
    """What answers up to ``position`` no longer show: lists, ids of videos, or ``everything``."""

    position: int
    shows: Sequence[str] = ()
    everything: bool = False


class ShownChanges:
    """The latest changes, of which each gateway asks for those that it has not heard of.

    ``clock`` is a steady clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._changes: deque[tuple[int, str | None]] = deque()
        self._most = most
        # What lies at or before the first is not known, up to the last all is.
        self._first = self._last = 0
        self._asked_at = -_ASKED_SECONDS
        self._moved = asyncio.Event()

    @property
    def wanted(self) -> bool:
        """Whether anybody has asked lately, so that events are worth reading."""
        return self._clock() - self._asked_at < _ASKED_SECONDS

    def begin(self, position: int) -> None:
        """Events up to ``position`` were left out."""
        if position != self._last:
            self._changes.clear()
            self._first = self._last = position
            self._wake()

    def add(self, event: SequencedEvent) -> None:
        """An event that the read models include."""
        if event.position != self._last + 1:
            self.begin(event.position - 1)
        self._last = event.position
        changed = changed_by(event)
        self._changes.extend((event.position, shown) for shown in changed)
        while len(self._changes) > self._most:
            self._first = self._changes.popleft()[0]
        if changed:
            self._wake()

    async def after(self, position: int, seconds: float) -> Shown:
        """What has changed after ``position``: as soon as anything has, or after ``seconds``."""
        self._asked_at = self._clock()
        found = self._since(position)
        # Another replica may be a moment ahead of this one.
        if position > self._last or not (found.shows or found.everything):
            await wait_for_event(self._moved, seconds)
            found = self._since(position)
        return found

    def _since(self, position: int) -> Shown:
        if not self._first <= position <= self._last:
            return Shown(self._last, everything=True)
        found = {shown for at, shown in self._changes if at > position}
        if None in found:
            return Shown(self._last, everything=True)
        return Shown(self._last, sorted(shown for shown in found if shown is not None))

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def changed_by(event: SequencedEvent) -> Sequence[str | None]:
    """What no longer shows what it did: lists, a video's id; None for everything."""
    category = category_of(event.stream_id)
    if category == "user":
        return (None,) if isinstance(event.data, UserDeleted) else ()
    if category == "live" or isinstance(event.data, _UNSEEN):
        return ()
    return LISTS, entity_of(event.stream_id)
