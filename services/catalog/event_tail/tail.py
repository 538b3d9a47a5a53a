"""New events of the log, for requests of this process that follow a video, and for gateways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from services.catalog.event_tail.shown_changes import ShownChanges
from shared.contracts import category_of, entity_of
from shared.event_store.store import EventStore, SequencedEvent
from shared.http.access_tokens import Principal
from shared.loops.listening import listen
from shared.loops.loops import Loops

_POLL_SECONDS: Final = 1.0
_SESSIONS_SECONDS: Final = 1.0
_READ_EVENTS: Final = 500
# Slow clients are disconnected; they resume from Last-Event-ID.
_QUEUE_EVENTS: Final = 2000


class Sessions(Protocol):
    """Knows which sessions have ended."""

    async def ended(self, principals: Collection[Principal]) -> set[Principal]:
        """Those whose session has ended."""
        ...


class SessionEnded(Exception):
    """The session of the request has ended: it gets no more events."""


class Follower:
    """The events of one video after the position ``since``, for one request of a caller."""

    def __init__(self, video_id: str, caller: Principal, since: int) -> None:
        self.video_id = video_id
        self.caller = caller
        self.since = since
        # None: nothing more comes.
        self._queue: asyncio.Queue[SequencedEvent | None] = asyncio.Queue(_QUEUE_EVENTS)
        self._overrun = False
        self._ended = False

    @property
    def exhausted(self) -> bool:
        """Whether the request was too slow and has received all queued events."""
        return self._overrun and self._queue.empty()

    async def next(self, timeout: float) -> SequencedEvent:
        """The next event. Raises TimeoutError after ``timeout`` seconds, and SessionEnded."""
        async with asyncio.timeout(timeout):
            event = None if self._ended else await self._queue.get()
        if event is None or self._ended:
            raise SessionEnded
        return event

    def end(self) -> None:
        """The caller's session has ended."""
        self._ended = True
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    def add(self, event: SequencedEvent) -> None:
        """Queue the next event, unless an earlier one was dropped because the queue was full."""
        if self._overrun:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._overrun = True


class EventTail:
    """Reads the end of the log once for all followers and gateways of this process.

    ``checkpoint`` returns the projection's checkpoint. The tail reads no further, so the read
    models include every event that a follower gets, and that ``shown`` tells gateways of. A
    follower ends with the session of its caller, about a second after it: one question for all.
    """

    def __init__(
        self,
        store: EventStore,
        checkpoint: Callable[[], Awaitable[int]],
        sessions: Sessions,
        loops: Loops,
    ) -> None:
        self._store = store
        self._checkpoint = checkpoint
        self._sessions = sessions
        self._loops = loops
        self._followers: dict[str, set[Follower]] = {}
        self._wake = asyncio.Event()
        self._position: int | None = None
        self.shown = ShownChanges()

    @asynccontextmanager
    async def follow(self, video_id: str, caller: Principal) -> AsyncIterator[Follower]:
        """Yields a follower of a video's events from now on."""
        if self._position is None:
            self._position = await self._checkpoint()
        follower = Follower(video_id, caller, self._position)
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
        """The number of followers."""
        return sum(len(followers) for followers in self._followers.values())

    async def run(self, url: str, channel: str) -> None:
        """Read until cancelled: at each notification on ``channel``, and every second or, while
        none comes, every few."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self._loops, "the tail", url, channel, self._heard))
            tasks.create_task(
                self._loops.repeat(
                    "read the tail", self._advance, _POLL_SECONDS, wake=self._wake, rests=True
                )
            )
            tasks.create_task(
                self._loops.repeat("end streams", self.end_sessions, _SESSIONS_SECONDS)
            )

    def _heard(self) -> None:
        self._wake.set()
        self._loops.rest.stir()

    async def end_sessions(self) -> None:
        """End the followers whose caller's session has ended."""
        followers = [each for group in self._followers.values() for each in group]
        ended = await self._sessions.ended({follower.caller for follower in followers})
        for follower in followers:
            if follower.caller in ended:
                follower.end()

    async def _advance(self) -> None:
        target = await self._checkpoint()
        if self._position is None or not (self._followers or self.shown.wanted):
            self._position = target
            self.shown.begin(target)
        while self._position < target:
            limit = min(_READ_EVENTS, target - self._position)
            events = await self._store.read_all(self._position, limit)
            if not events:
                return
            for event in events:
                self._dispatch(event)
                self.shown.add(event)
                self._position = event.position

    def _dispatch(self, event: SequencedEvent) -> None:
        if category_of(event.stream_id) == "user":
            return
        for follower in self._followers.get(entity_of(event.stream_id), ()):
            follower.add(event)
