"""Records one running session: objects first, then the event that names them."""

import asyncio
from collections.abc import Collection
from typing import Final

from services.live.packaging.fragments import Init
from services.live.ports import Session, Sessions
from services.live.recording.batches import Batches
from services.live.recording.segment_queue import Item, SegmentQueue, StorageAway
from services.live.window.segments import Segment
from shared.blobs.store import BlobStore
from shared.telemetry import get_logger

_log = get_logger(__name__)

# How many objects are put at once, for all tracks of a session.
_AT_ONCE: Final = 4
# How long the storage may be away before the session ends.
_AWAY_SECONDS: Final = 600.0
_AWAY: Final = "The storage is away for too long."
IMMUTABLE: Final = "public, max-age=31536000, immutable"


class SegmentRecorder:
    """Takes whole segments of one owner's session; ``step`` brings them further.

    While the storage is away they wait, bounded in time and bytes. Of a segment for which there is
    no room, and of all that follow it, no track has any: the recording ends before it.
    """

    def __init__(
        self,
        session: Session,
        sessions: Sessions,
        blobs: BlobStore,
        queue: SegmentQueue,
    ) -> None:
        self._session = session
        self._sessions = sessions
        self._blobs = blobs
        self._queue = queue
        self._batches = Batches(session.video_id, session.next_segment, session.jumps)
        self._inits: set[str] = {track.init_key for track in session.tracks}
        self._lock = asyncio.Lock()
        self._until: int | None = None

    def owner(self, session: Session) -> None:
        """The same replica has another epoch of the session."""
        self._session = session

    def add(self, track: str, segment: Segment, init: Init) -> None:
        """A segment is whole."""
        if not segment.parts or (self._until is not None and segment.number >= self._until):
            return
        try:
            self._queue.add(track, segment, init)
        except StorageAway:
            self._until = segment.number
            self._queue.forget_from(segment.number)
            self._batches.forget_from(segment.number)

    def adopt(self, items: list[Item]) -> None:
        """Segments of an earlier owner that are in the bucket already."""
        for item in items:
            self._batches.stored(item)

    @property
    def failure(self) -> str | None:
        """Why the session cannot go on, in a sentence; None while it can."""
        too_long = self._queue.waiting_seconds > _AWAY_SECONDS
        return _AWAY if too_long or self._until is not None else None

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest segment waits for the bucket."""
        return self._queue.waiting_seconds

    async def step(self, expected: Collection[str], *, everything: bool = False) -> None:
        """Store what waits, and publish what makes a batch of the ``expected`` tracks.

        ``everything``: nothing follows.

        Raises BlobStoreUnavailable, Unavailable: the next step tries again. Raises Fenced.
        """
        async with self._lock:
            while self._queue:
                await self._store(self._queue.first(_AT_ONCE))
            epoch = self._session.epoch
            while items := self._batches.batch(expected, everything=everything):
                event = self._batches.event(epoch, items)
                await self._sessions.published(self._session, event)
                self._batches.published(items)

    async def _store(self, items: list[Item]) -> None:
        for init_key, init in {item.init_key: item.init for item in items}.items():
            if init_key not in self._inits:
                await self._blobs.put(init_key, init.data, "video/mp4", IMMUTABLE)
                self._inits.add(init_key)
        await asyncio.gather(*(self._put(item) for item in items))
        for item in self._queue.remove(items):
            self._batches.stored(item)

    async def _put(self, item: Item) -> None:
        await self._blobs.put(item.key, await item.read(), "video/iso.segment", IMMUTABLE)

    def drop(self) -> None:
        """Forget what was not stored: another replica has the session."""
        self._queue.drop()
