"""Reads objects slowly and compares their bytes with the hashes in the log."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final, Literal

from services.transcoder.coordinator.media_checks import Check
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable

Verdict = Literal["sound", "unknown", "damaged", "missing", "unreadable"]
"""``unknown``: the log has no hash of these bytes. ``unreadable``: the storage answers, but does
not send them."""

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
        return _BLOCK if not self._rate else max(_LEAST_BLOCK, min(_BLOCK, int(self._rate)))

    async def spent(self, size: int) -> None:
        """Wait as long as ``size`` bytes may take."""
        self.read += size
        if self._rate:
            await asyncio.sleep(size / self._rate)
        self._advanced()


async def read_check(store: BlobStore, check: Check, pace: Pace) -> Verdict:
    """The verdict of one reading. Raises BlobStoreUnavailable where the storage is away."""
    try:
        return await _read(store, check, pace)
    except BlobNotFound:
        return "missing"
    except BlobStoreUnavailable:
        await store.ping()
        return "unreadable"


async def _read(store: BlobStore, check: Check, pace: Pace) -> Verdict:
    size = (await store.head(check.key)).size
    end = size if check.end is None else check.end
    if size == 0 or size < end or check.size not in (None, size):
        return "damaged"
    if not check.sha256:
        return "unknown"
    found = hashlib.sha256()
    for start in range(check.start, end, pace.block):
        stop = min(end, start + pace.block)
        await pace.spent(await _hash_block(store, check.key, start, stop, found))
    return "sound" if found.hexdigest().startswith(check.sha256) else "damaged"


async def _hash_block(
    store: BlobStore, key: str, start: int, stop: int, found: "hashlib._Hash"
) -> int:
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
