"""Puts a backup into an empty installation, or into a scratch database.

Objects first, then the database in one transaction, then what the archive has beyond it: until the
database is there, an interrupted restore is begun again and takes what is in the buckets already.
The database names no object that the storage's disk does not have.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from services.operator.backups.database import connected, count, services_connected
from services.operator.backups.dumps import load
from services.operator.backups.notes import Notes
from services.operator.backups.sealing import Damaged, Sealer
from services.operator.backups.sets import Item, Manifest, open_file, read_items
from services.operator.backups.slices import AT_ONCE, slices, together
from services.operator.backups.targets import Target
from services.operator.backups.verifying import Progress, open_item
from shared.blobs.disk_sync import Flush
from shared.blobs.store import BlobStore
from shared.database.setup import prepare
from shared.errors import Conflict
from shared.event_store.archive.archive import ArchiveReader, find_head
from shared.event_store.archive.restore import DatabaseNotEmpty
from shared.event_store.archive.restore import restore as complete_log

# So many bytes are on disk within the time that a storage is given to confirm them.
_CONFIRMED_BYTES: Final = 256 << 20

_HELD = """
select exists (select from pg_tables where schemaname = 'log' and tablename = 'events')
"""
_SCHEMAS = """
select quote_ident(nspname) from pg_namespace n
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
and exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'schema_revision')
"""


class NotStopped(Conflict):
    """Services run."""

    code = "services_run"


class BucketNotEmpty(Conflict):
    """A bucket holds objects that the backup does not have."""

    code = "bucket_not_empty"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was put back. ``position`` is the log's end; ``added`` of its events came from the
    archive. ``objects`` were put into buckets, ``there`` were in them already."""

    name: str
    tables: int
    rows: int
    position: int
    added: int
    objects: int = 0
    there: int = 0
    bytes: int = 0


async def restore(
    admin_url: str,
    buckets: Mapping[str, BlobStore],
    target: Target,
    sealer: Sealer,
    manifest: Manifest,
    *,
    on_disk: Flush | None = None,
    progress: Progress = lambda _at, _of: None,
) -> Restored:
    """Restore everything. Raises NotStopped, DatabaseNotEmpty, BucketNotEmpty, Damaged, WrongKey.

    ``admin_url`` logs in as the owner, and the installation's setup has run. ``on_disk`` confirms
    what was put into buckets, where their storage answers before its disk has it.
    """
    missing = [use for use in manifest.buckets if use not in buckets]
    if missing:
        raise Conflict(f"The backup has a bucket of {missing[0]}; this installation has none.")
    async with connected(admin_url) as connection:
        await _refuse_used(connection)
    with Notes.taken() as notes:
        put = _Put(target, sealer, notes, manifest, on_disk=on_disk, progress=progress)
        for use in manifest.buckets:
            await put.bucket(use, buckets[use])
    done = await restore_database(admin_url, target, sealer, manifest, buckets.get("archive"))
    return msgspec.structs.replace(done, objects=put.objects, there=put.there, bytes=put.bytes)


async def restore_database(
    admin_url: str,
    target: Target,
    sealer: Sealer,
    manifest: Manifest,
    archive: ArchiveReader | None,
) -> Restored:
    """The dump into a database without events, its rows counted, the log completed."""
    async for _ in open_file(target, sealer, manifest.database):
        pass  # Before anything is dropped for it.
    await prepare(admin_url, (), {})
    async with connected(admin_url) as connection:
        # What setup has made there: the dump has all of it.
        for row in await connection.fetch(_SCHEMAS):
            await connection.execute(f"drop schema {row[0]} cascade")
    await load(admin_url, open_file(target, sealer, manifest.database))
    async with connected(admin_url) as connection:
        found = await count(connection)
        if found != manifest.counts:
            names = sorted(found.keys() | manifest.counts.keys())
            other = [name for name in names if found.get(name) != manifest.counts.get(name)]
            raise Damaged(f"After the restore, {', '.join(other)} have other numbers of rows.")
        position, added = manifest.position, 0
        if archive is not None and (await find_head(archive)).last > 0:
            log = await complete_log(connection, archive)
            added = log.events
            position = max(log.kept, log.head.last)
        await connection.execute("analyze")
    return Restored(
        name=manifest.name,
        tables=len(found),
        rows=sum(found.values()),
        position=position,
        added=added,
    )


async def _refuse_used(connection: Any) -> None:
    if running := await services_connected(connection):
        raise NotStopped(f"Stop the services first: {', '.join(running)} are logged in.")
    if await connection.fetchval(_HELD) and await connection.fetchval(
        "select exists (select from log.events)"
    ):
        raise DatabaseNotEmpty(
            "The log holds events. After a restore that was cut, `cinelog archive restore`"
            " completes it."
        )


class _Put:
    """Puts objects back; counts them."""

    def __init__(
        self,
        target: Target,
        sealer: Sealer,
        notes: Notes,
        manifest: Manifest,
        *,
        on_disk: Flush | None,
        progress: Progress,
    ) -> None:
        self._target = target
        self._sealer = sealer
        self._notes = notes
        self._manifest = manifest
        self._on_disk = on_disk
        self._progress = progress
        self._of = sum(bucket.objects for bucket in manifest.buckets.values())
        self.objects = self.there = self.bytes = 0
        self._unconfirmed = 0

    async def bucket(self, use: str, store: BlobStore) -> None:
        self._notes.clear_there()
        async for blobs in slices(store.list()):
            self._notes.add_there(blobs)
        async for item in self._items(use):
            self.there += self._notes.is_there(item.key, item.size)
        if strangers := self._notes.strangers():
            raise BucketNotEmpty(
                f"The bucket of {use} holds other objects, such as {strangers[0]}."
            )
        async for items in slices(self._items(use), AT_ONCE):
            missing = [i for i in items if not self._notes.is_there(i.key, i.size)]
            await together(self._put(store, item) for item in missing)
            await self._confirm(_CONFIRMED_BYTES)
            self._progress(self.objects + self.there, self._of)
        # Also what an interrupted restore has put there.
        await self._confirm(0)

    async def _confirm(self, least: int) -> None:
        """Wait for the disk, where so many bytes or more may not be on it."""
        if self._on_disk is not None and self._unconfirmed >= least:
            await self._on_disk()
            self._unconfirmed = 0

    async def _put(self, store: BlobStore, item: Item) -> None:
        await store.put_stream(
            item.key,
            open_item(self._target, self._sealer, item),
            item.content_type,
            cache_control=item.cache_control,
        )
        self.objects += 1
        self.bytes += item.size
        self._unconfirmed += item.size

    async def _items(self, use: str) -> AsyncIterator[Item]:
        for file in self._manifest.buckets[use].files:
            for item in await read_items(self._target, self._sealer, file):
                yield item
