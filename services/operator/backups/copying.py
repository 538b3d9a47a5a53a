"""Copies the objects of a bucket that no earlier backup has, and lists all of them."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from typing import Final

from services.operator.backups.notes import Notes
from services.operator.backups.sealing import Sealer
from services.operator.backups.sets import Bucket, File, Item, object_name, put_items
from services.operator.backups.slices import AT_ONCE, slices, together
from services.operator.backups.targets import Target
from shared.blobs.store import BlobInfo, BlobNotFound, BlobStore, BlobStoreUnavailable
from shared.event_store.archive.archive import find_head
from shared.event_store.archive.archive_format import PREFIX, BadArchive, manifest_number

# A part of the list is written after so many objects or copied bytes: a backup that is cut goes on
# from there.
_PART_OBJECTS: Final = 5000
_PART_BYTES: Final = 2 << 30
_SLICE: Final = 64
_TRIES: Final = 3

ARCHIVE: Final = "archive"
"""The use of the bucket that has the log's archive."""


class Copier:
    """Copies buckets for one backup. ``objects`` and ``bytes`` were copied so far."""

    def __init__(self, target: Target, sealer: Sealer, notes: Notes, backup: str) -> None:
        self._target = target
        self._sealer = sealer
        self._notes = notes
        self._backup = backup
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.objects = 0
        self.bytes = 0

    async def copy(self, bucket: str, store: BlobStore) -> Bucket:
        """All of a bucket."""
        files: list[File] = []
        waiting: list[Item] = []
        objects = size = gone = 0
        written = self.bytes
        async for blobs in self._listed(bucket, store):
            items = await self._items(bucket, store, blobs)
            gone += len(blobs) - len(items)
            objects += len(items)
            size += sum(item.size for item in items)
            waiting += items
            if len(waiting) >= _PART_OBJECTS or self.bytes - written >= _PART_BYTES:
                files.append(await self._list_part(bucket, len(files), waiting))
                waiting, written = [], self.bytes
        if waiting:
            files.append(await self._list_part(bucket, len(files), waiting))
        return Bucket(objects=objects, bytes=size, gone=gone, files=tuple(files))

    async def _listed(self, bucket: str, store: BlobStore) -> AsyncIterator[list[BlobInfo]]:
        """Slices of what is to be copied. Each is copied before the next one is asked for."""
        if bucket == ARCHIVE:
            async for blobs in slices(archive_of(store), _SLICE):
                yield blobs
            return
        self._notes.clear_there()
        async for blobs in slices(store.list(), _SLICE):
            self._notes.add_there(blobs)
            yield blobs
        # A playlist that was replaced after its folder had been listed is copied as it is then.
        # It may name objects that were not there yet.
        async for blobs in slices(store.list(), _SLICE):
            newer = [blob for blob in blobs if not self._notes.has_key(blob.key)]
            if newer:
                yield newer

    async def _list_part(self, bucket: str, at: int, items: Sequence[Item]) -> File:
        part = f"{bucket}-{at + 1:06}"
        return await put_items(self._target, self._sealer, self._backup, part, items)

    async def _items(self, bucket: str, store: BlobStore, blobs: Sequence[BlobInfo]) -> list[Item]:
        """Of those objects that are still there."""
        found = await together(self._item(bucket, store, blob) for blob in blobs)
        return [item for item in found if item is not None]

    async def _item(self, bucket: str, store: BlobStore, blob: BlobInfo) -> Item | None:
        name = object_name(self._sealer, bucket, blob.key, blob.size, blob.etag)
        known = self._notes.find(name)
        if known is not None:
            return known
        async with self._at_once:
            for attempt in range(1, _TRIES + 1):
                try:
                    return await self._copy(bucket, store, blob.key)
                except BlobNotFound:
                    return None
                except _Changed:
                    if attempt == _TRIES:
                        raise
        raise AssertionError("unreachable")

    async def _copy(self, bucket: str, store: BlobStore, key: str) -> Item:
        head = await store.head(key)
        name = object_name(self._sealer, bucket, key, head.size, head.etag)
        hashed, size = hashlib.sha256(), 0

        async def plain() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in store.open(key):
                hashed.update(chunk)
                size += len(chunk)
                yield chunk
            if size != head.size:
                raise _Changed(f"{key} changes while it is copied.")

        await self._target.put(name, self._sealer.seal(name, plain()))
        self.objects += 1
        self.bytes += size
        return Item(
            key,
            size,
            head.etag,
            hashed.hexdigest(),
            head.content_type or "application/octet-stream",
            head.cache_control,
            name,
        )


class _Changed(BlobStoreUnavailable):
    """An object was replaced between two requests."""


async def archive_of(store: BlobStore) -> AsyncIterator[BlobInfo]:
    """The archive as it is now: of ranges that are written meanwhile, a listing may have a part."""
    try:
        last: float = (await find_head(store)).number
    except BadArchive:
        last = math.inf  # Damaged as it is, for whoever repairs it.
    async for blob in store.list():
        if (manifest_number(PREFIX, blob.key) or 0) <= last:
            yield blob
