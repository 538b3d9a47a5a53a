"""Histories that requests read from the log, of which each caller has a share.

A video's history grows with each change and each count of views, and is read from its beginning:
whoever made a long one could keep the process busy with it, and everybody else waiting.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Final

from shared.errors import TooManyRequests
from shared.event_store.store import EventStore, Metadata, NewEvent, RecordedEvent, Streams
from shared.token_bucket import MICROS, Bucket, LocalBuckets

# Histories that are read at once, each over one connection to the log. The log has more, for the
# commands: streams that all begin together must not keep them waiting.
_AT_ONCE: Final = 2

EVENTS: Final = 100_000
"""Events that a user may read at any time."""
EVENTS_PER_SECOND: Final = 2_000
"""Events that a user may read besides, each second."""

# One reading is never cut, so that a user may owe events: as many as this bucket has.
_BUCKET: Final = Bucket(MICROS // EVENTS_PER_SECOND, 100 * EVENTS)


class TooMuchRead(TooManyRequests):
    """The caller has read too many events."""

    code = "too_much_read"


class Histories:
    """Reads histories and counts their events by caller, in this process.

    ``clock`` is a steady clock in seconds.
    """

    def __init__(self, store: EventStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._buckets = LocalBuckets(clock)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def check(self, user_id: str) -> None:
        """Raises TooMuchRead where a caller has to wait before the next reading."""
        owed = self._buckets.take_all({user_id.encode(): _BUCKET}, 0).full_after / MICROS
        wait = owed - EVENTS / EVENTS_PER_SECOND
        if wait > 0:
            message = "This asks for very much at once. Wait a little."
            raise TooMuchRead(message, retry_after=ceil(wait))

    async def read(self, user_id: str, streams: Iterable[str]) -> list[Sequence[RecordedEvent]]:
        """The events of each stream. Streams that all begin together wait for each other."""
        async with self._turns:
            found: list[Sequence[RecordedEvent]] = [
                await self._store.read_stream(stream) for stream in streams
            ]
        self._charge(user_id, sum(len(events) for events in found))
        return found

    @contextmanager
    def deciding(self, user_id: str) -> Iterator[Streams]:
        """The log for one command of a caller. Raises TooMuchRead."""
        self.check(user_id)
        counted = _Counted(self._store)
        try:
            yield counted
        finally:
            self._charge(user_id, counted.events)

    def _charge(self, user_id: str, events: int) -> None:
        self._buckets.take_all({user_id.encode(): _BUCKET}, events)


class _Counted:
    """The log; ``events`` have been read."""

    def __init__(self, store: Streams) -> None:
        self._store = store
        self.events = 0

    async def append(
        self,
        stream_id: str,
        expected_version: int,
        events: Sequence[NewEvent],
        metadata: Metadata,
    ) -> int:
        return await self._store.append(stream_id, expected_version, events, metadata)

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        found = await self._store.read_stream(stream_id, after_version)
        self.events += len(found)
        return found
