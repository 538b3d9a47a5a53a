"""Events as they happen, for the requests of this process that follow a video."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from shared.contracts import category_of, entity_of
from shared.event_store.listening import listen
from shared.event_store.store import EventStore, SequencedEvent
from shared.telemetry import get_logger

_log = get_logger(__name__)

_POLL_SECONDS: Final = 1.0
_READ_EVENTS: Final = 500
# Who cannot keep up is let go, and comes back with the id of the last event it saw.
_QUEUE: Final = 2000


class Follower:
    """One request's events. ``since`` is the position after which they come."""

    def __init__(self, video_id: str, since: int) -> None:
        self.video_id = video_id
        self.since = since
        self._queue: asyncio.Queue[SequencedEvent] = asyncio.Queue(_QUEUE)
        self._lost = False

    @property
    def gone(self) -> bool:
        """Whether this follower was too slow and has now had all that it will get."""
        return self._lost and self._queue.empty()

    async def next(self, timeout: float) -> SequencedEvent:
        """The next event. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._queue.get()

    def hand(self, event: SequencedEvent) -> None:
        """Called by the tail, in order."""
        if self._lost:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._lost = True


class EventTail:
    """Reads the log's end once for all followers of this process.

    Wakes when the projection's checkpoint moves (``channel``) and polls besides. It goes no
    further than that checkpoint (``reached``): whoever hears of an event finds it in the read
    models.
    """

    def __init__(
        self, store: EventStore, reached: Callable[[], Awaitable[int]], url: str, channel: str
    ) -> None:
        self._store = store
        self._reached = reached
        self._url = url
        self._channel = channel
        self._followers: dict[str, set[Follower]] = {}
        self._wake = asyncio.Event()
        self._position: int | None = None

    @asynccontextmanager
    async def follow(self, video_id: str) -> AsyncIterator[Follower]:
        """Every event of a video after this moment's ``since``."""
        if self._position is None:
            self._position = await self._reached()
        follower = Follower(video_id, self._position)
        self._followers.setdefault(video_id, set()).add(follower)
        self._wake.set()
        try:
            yield follower
        finally:
            followers = self._followers[video_id]
            followers.discard(follower)
            if not followers:
                del self._followers[video_id]

    @property
    def following(self) -> int:
        """How many followers there are now."""
        return sum(len(followers) for followers in self._followers.values())

    async def run(self) -> None:
        """Follow for ever."""
        listening = asyncio.create_task(listen(self._url, self._channel, self._wake.set))
        try:
            while True:
                self._wake.clear()
                try:
                    await self._advance()
                except Exception as error:
                    _log.warning("the log does not answer", error=repr(error))
                    await asyncio.sleep(_POLL_SECONDS)
                try:
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _advance(self) -> None:
        target = await self._reached()
        if self._position is None or not self._followers:
            self._position = target
        while self._position < target:
            limit = min(_READ_EVENTS, target - self._position)
            events = await self._store.read_all(self._position, limit)
            if not events:
                return
            for event in events:
                if category_of(event.stream_id) != "user":
                    for follower in self._followers.get(entity_of(event.stream_id), ()):
                        follower.hand(event)
                self._position = event.position
