"""Whole segments on their way to the bucket: in memory, and on disk while the storage is away."""

import asyncio
import hashlib
import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from services.live.packaging.fragments import Init
from services.live.recording.spool import Share
from services.live.window.segments import Segment
from shared.contracts import Segment as SegmentFacts
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Bytes of one session that wait in memory for the bucket, and for a slow disk.
_MEMORY_BYTES: Final = 32 << 20
_UNWRITTEN_BYTES: Final = 32 << 20


class StorageAway(Exception):
    """More waits for the storage than is kept."""


class Item(msgspec.Struct, kw_only=True):
    """A segment of a track. ``jumps``: the discontinuities before it. ``file``: where its bytes
    are if not in memory; ``spooled``: they are, or will be, on disk. ``since``: when it was whole,
    by a steady clock."""

    track: str
    number: int
    folder: str
    key: str
    jumps: int
    init_key: str
    init: Init
    at: float
    facts: SegmentFacts
    sha256: str
    since: float
    segment: Segment
    data: bytes = b""
    file: Path | None = None
    spooled: bool = False

    async def read(self) -> bytes:
        file = self.file
        return self.data if file is None else await asyncio.to_thread(file.read_bytes)

    def stored(self) -> None:
        """Its bytes are in the bucket."""
        self.segment.stored = True
        self.data = b""
        self.unlink()

    def unlink(self) -> None:
        """Its bytes are not needed on disk any more."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
            self.file = None


class SegmentQueue:
    """Bounded. ``folder`` is made when it is needed. ``spool``: its user's part of the disk.
    ``clock``: steady, in seconds.

    A thread writes to disk, because a disk that is slow would stop all sessions of the process.
    What a disk does not take stays in memory, and is tried again with the next segment.
    """

    def __init__(
        self,
        folder: Path,
        spool: Share,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._spool = spool
        self._clock = clock
        self._items: deque[Item] = deque()
        self._memory = 0
        self._unwritten: deque[Item] = deque()
        self._unwritten_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest segment has been waiting."""
        return self._clock() - self._items[0].since if self._items else 0.0

    def add(self, track: str, segment: Segment, init: Init) -> None:
        """Raises StorageAway."""
        item = _item(track, segment, init, self._clock())
        if self._memory + item.facts.size <= _MEMORY_BYTES:
            self._memory += item.facts.size
        else:
            self._write_later(item)
        self._items.append(item)

    def _write_later(self, item: Item) -> None:
        size = item.facts.size
        if self._unwritten_bytes + size > _UNWRITTEN_BYTES or not self._spool.take(size):
            raise StorageAway
        item.spooled = True
        self._unwritten_bytes += size
        self._unwritten.append(item)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._unwritten:
            item = self._unwritten[0]
            path = self._folder / f"{item.track}-{item.number}.m4s"
            try:
                await asyncio.to_thread(_write_file, path, item.data)
            except OSError as error:
                _log.warning("segment not written to disk", error=repr(error))
                return
            if self._unwritten and self._unwritten[0] is item:
                self._unwritten.popleft()
                self._unwritten_bytes -= item.facts.size
            if item.segment.stored or not item.spooled:
                # It was stored, or forgotten, while it was written.
                path.unlink(missing_ok=True)
            else:
                item.file, item.data = path, b""

    async def written(self) -> None:
        """Wait until the disk has what belongs there."""
        if self._writer is not None:
            await self._writer

    def first(self, count: int) -> list[Item]:
        """The oldest segments."""
        return [self._items[place] for place in range(min(count, len(self._items)))]

    def remove(self, items: list[Item]) -> list[Item]:
        """The oldest segments are stored. Returns those that were not forgotten meanwhile."""
        removed: list[Item] = []
        for item in items:
            if self._items and self._items[0] is item:
                removed.append(self._items.popleft())
                self._release(item)
                item.stored()
        self._write_no_more_than_waits()
        return removed

    def forget_from(self, number: int) -> None:
        """Forget the segments of all tracks from this number on."""
        for item in self._items:
            if item.number >= number:
                self._release(item)
                item.unlink()
        self._items = deque(item for item in self._items if item.number < number)
        self._write_no_more_than_waits()

    def _write_no_more_than_waits(self) -> None:
        self._unwritten = deque(item for item in self._unwritten if item.spooled)
        self._unwritten_bytes = sum(item.facts.size for item in self._unwritten)

    def _release(self, item: Item) -> None:
        if item.spooled:
            item.spooled = False
            self._spool.give_back(item.facts.size)
        else:
            self._memory -= item.facts.size

    def drop(self) -> None:
        """Forget everything."""
        self.forget_from(0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _item(track: str, segment: Segment, init: Init, now: float) -> Item:
    data = segment.data
    return Item(
        track=track,
        number=segment.number,
        folder=segment.folder,
        key=segment.key,
        jumps=segment.jumps,
        init_key=segment.init_key,
        init=init,
        at=segment.at,
        facts=SegmentFacts(
            index=segment.number,
            start=segment.start,
            duration=segment.duration,
            size=len(data),
            key_bytes=segment.parts[0].key_bytes if init.width else msgspec.UNSET,
        ),
        sha256=hashlib.sha256(data).hexdigest(),
        since=now,
        segment=segment,
        data=data,
    )


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
