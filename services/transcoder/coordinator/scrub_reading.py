"""Reads objects slowly and compares their bytes with the hashes in the log."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final, Literal, Protocol

from services.transcoder.coordinator.media_checks import Check
from services.transcoder.coordinator.resumable_sha256 import BLOCK, ResumableSha256, can_resume
from services.transcoder.coordinator.unfinished_readings import Bookmark, UnfinishedReadings
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable

Verdict = Literal["sound", "unknown", "damaged", "missing", "unreadable", "unfinished"]
"""``unknown``: the log has no hash of these bytes. ``unreadable``: the storage answers, but does
not send them. ``unfinished``: the next reading goes on where this one stopped."""

_BLOCK: Final = 8 << 20
_LEAST_BLOCK: Final = 64 << 10


class Pace:
    """Limits how many bytes are read in a second, 0 being no limit, and counts them.

    ``advanced`` is called after each block.
    """

    def __init__(
        self, bytes_per_second: float = 0.0, advanced: Callable[[], None] = lambda: None
    ) -> None:
        self._rate = bytes_per_second
        self._advanced = advanced
        self.read = 0

    @property
    def block(self) -> int:
        """The bytes of one request: those of about a second at most."""
        if not self._rate:
            return _BLOCK
        return max(_LEAST_BLOCK, min(_BLOCK, int(self._rate) // BLOCK * BLOCK))

    async def spent(self, size: int) -> None:
        """Wait as long as ``size`` bytes may take."""
        self.read += size
        if self._rate:
            await asyncio.sleep(size / self._rate)
        self._advanced()


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


async def read_check(
    store: BlobStore, check: Check, pace: Pace, unfinished: UnfinishedReadings | None = None
) -> Verdict:
    """The verdict of one reading. Raises BlobStoreUnavailable where the storage is away.

    With ``unfinished`` it goes on where the last one stopped, and may stop itself.
    """
    try:
        return await _read(store, check, pace, unfinished if can_resume() else None)
    except BlobNotFound:
        return "missing"
    except BlobStoreUnavailable:
        await store.ping()
        return "unreadable"


async def _read(
    store: BlobStore, check: Check, pace: Pace, unfinished: UnfinishedReadings | None
) -> Verdict:
    if check.together:
        return await _read_together(store, check, pace)
    info = await store.head(check.key)
    size = info.size
    end = size if check.end is None else check.end
    if size == 0 or size < end or check.size not in (None, size):
        return "damaged"
    if not check.sha256:
        return "unknown"
    if unfinished is None or end - check.start <= pace.block:
        found: _Hash = hashlib.sha256()
        for start in range(check.start, end, pace.block):
            stop = min(end, start + pace.block)
            await pace.spent(await _hash_block(store, check.key, start, stop, found))
        return _compare(found, check)
    return await _read_on(store, check, (end, info.etag), pace, unfinished)


async def _read_together(store: BlobStore, check: Check, pace: Pace) -> Verdict:
    """The verdict on small objects that have one hash together."""
    marks = hashlib.sha256()
    for piece in check.together:
        if (await store.head(piece.key)).size != piece.size:
            return "damaged"
        one = hashlib.sha256()
        await pace.spent(await _hash_block(store, piece.key, 0, piece.size, one))
        marks.update(one.hexdigest().encode())
    return _compare(marks, check) if check.sha256 else "unknown"


async def _read_on(
    store: BlobStore,
    check: Check,
    now: tuple[int, str],
    pace: Pace,
    unfinished: UnfinishedReadings,
) -> Verdict:
    """Read to the end, or until it is time to stop, from where the last reading stopped.

    ``now``: where the bytes of the check end, and the object's etag.
    """
    end, etag = now
    last = await unfinished.begin(check.place)
    # Another object is under this key now: what was read belongs to the one before.
    if last is not None and (last.etag != etag or last.position > end):
        last = None
    found = ResumableSha256(last.state if last else None)
    position = last.position if last else check.start
    while position < end:
        stop = min(end, position + pace.block)
        await pace.spent(await _hash_block(store, check.key, position, stop, found))
        position = stop
        if position < end:
            here = Bookmark(etag, position, found.kept())
            if await unfinished.stops(check.place, here):
                return "unfinished"
    await unfinished.finish(check.place)
    return _compare(found, check)


def _compare(found: _Hash, check: Check) -> Verdict:
    return "sound" if found.hexdigest().startswith(check.sha256) else "damaged"


async def _hash_block(store: BlobStore, key: str, start: int, stop: int, found: _Hash) -> int:
    """Add a block to the hash; returns how many bytes it had."""
    size = 0
    try:
        async for chunk in store.open(key, start, stop):
            found.update(chunk)
            size += len(chunk)
    except BlobStoreUnavailable:
        # The bucket compares whole objects with a checksum of its own after the last byte. That
        # these bytes are wrong follows from the hash as well.
        if size < stop - start:
            raise
    return size
