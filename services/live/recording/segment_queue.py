"""Whole segments on their way to the bucket: in memory, and on disk while the storage is away."""

import hashlib
import shutil
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from services.live.packaging.fragments import Init
from services.live.window.segments import Segment
from shared.contracts import Segment as SegmentFacts

# Bytes of one session that wait in memory, and on disk.
_MEMORY_BYTES: Final = 32 << 20
_DISK_BYTES: Final = 2 << 30


class StorageAway(Exception):
    """More waits for the storage than is kept; the text is for the publisher."""


class Item(msgspec.Struct, kw_only=True):
    """A segment of a track. ``jumps``: the discontinuities before it. ``file``: where its bytes
    are if not in memory. ``since``: when it was whole, by a steady clock."""

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

    def read(self) -> bytes:
        return self.file.read_bytes() if self.file is not None else self.data

    def stored(self) -> None:
        """Its bytes are in the bucket."""
        self.segment.stored = True
        self.data = b""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
            self.file = None


class SegmentQueue:
    """Bounded. ``folder`` is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items: deque[Item] = deque()
        self._memory = self._disk = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest segment has been waiting."""
        return time.monotonic() - self._items[0].since if self._items else 0.0

    def add(self, track: str, segment: Segment, init: Init) -> None:
        """Raises StorageAway."""
        data = segment.data
        item = Item(
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
            since=time.monotonic(),
            segment=segment,
        )
        if self._memory + len(data) <= _MEMORY_BYTES:
            self._memory += len(data)
            item.data = data
        else:
            self._write(item, data)
        self._items.append(item)

    def _write(self, item: Item, data: bytes) -> None:
        if self._disk + len(data) > _DISK_BYTES:
            raise StorageAway("the storage is away for too long")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{item.track}-{item.number}.m4s"
        try:
            path.write_bytes(data)
        except OSError:
            raise StorageAway("the storage is away, and the disk is full") from None
        self._disk += len(data)
        item.file = path

    def first(self, count: int) -> list[Item]:
        """The oldest segments."""
        return [self._items[place] for place in range(min(count, len(self._items)))]

    def remove(self, items: list[Item]) -> None:
        """The oldest segments are stored."""
        for item in items:
            self._items.popleft()
            if item.file is not None:
                self._disk -= item.facts.size
            else:
                self._memory -= item.facts.size
            item.stored()

    def drop(self) -> None:
        """Forget everything."""
        self._items.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
