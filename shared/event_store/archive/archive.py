"""Closed ranges of the log, kept in a bucket: what is left when the database is gone.

``archive`` writes what is not archived yet, ``archive_verify.verify`` walks the whole chain, and
``restore.restore`` fills an empty database from it. See docs/decisions/0005 and, for
what such a restore does and does not bring back, docs/recovery.md.
"""

# ruff: noqa: S608 - the only text put into a statement is our own list of columns

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import asyncpg
import msgspec

from shared.errors import Conflict, NotFound, Unavailable
from shared.event_store.archive.archive_format import (
    FORMAT,
    PREFIX,
    ArchivedEvent,
    BadArchive,
    Manifest,
    archived_from_row,
    decode_manifest,
    digest,
    manifest_key,
    manifest_number,
    manifests_prefix,
    object_key,
    pack,
    unpack,
)
from shared.event_store.serialization import EVENT_COLUMNS
from shared.telemetry import get_logger

_log = get_logger(__name__)

RANGE_EVENTS: Final = 10_000
# A range also ends where it has grown so large, whatever its events.
_RANGE_BYTES: Final = 32 << 20
_PAGE_EVENTS: Final = 1000
_SECOND_LOOK_SECONDS: Final = 0.5

_READ = f"""
select {EVENT_COLUMNS}
from log.positions p join log.events e using (seq)
where p.position > $1 and p.position <= $2
order by p.position
"""
_HEAD = "select coalesce(max(position), 0) from log.positions"
_AT = "select e.event_id from log.positions p join log.events e using (seq) where p.position = $1"

Progress = Callable[[int, int], None]
"""Called with the position that has been reached and the last one."""

Repaired = Callable[[int], None]
"""Called with the number of ranges at the archive's end that have to be written again."""


class Listed(Protocol):
    """An object in a list."""

    @property
    def key(self) -> str:
        """Its key."""
        ...


class ArchiveBucket(Protocol):
    """What an archive asks of a bucket; ``shared.blobs.store.BlobStore`` has it."""

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store an object whole."""
        ...

    async def read(self, key: str) -> bytes:
        """An object's bytes. Raises NotFound."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; it is no error if it is gone already."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[Listed]:
        """Every object below ``prefix``, in key order."""
        ...


class ArchiveMismatch(Conflict):
    """The bucket's archive is not this database's, or has lost its end."""

    code = "archive_mismatch"


class ArchiveNotStored(Unavailable):
    """The bucket does not give back what was written to it. Nothing refers to it."""

    code = "archive_not_stored"


class ArchiveHead(msgspec.Struct, frozen=True):
    """Where an archive ends: its last range and position (0 while empty), and the hash that stands
    for the whole chain."""

    number: int = 0
    last: int = 0
    hash: str | None = None


async def archive(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    *,
    range_events: int = RANGE_EVENTS,
    close: bool = True,
    prefix: str = PREFIX,
    progress: Progress = lambda _at, _of: None,
    trusted: ArchiveHead | None = None,
    repaired: Repaired = lambda _ranges: None,
) -> ArchiveHead:
    """Archive what has a position and is not archived yet; returns where the archive ends then.

    Ranges of ``range_events``; with ``close`` the rest becomes a smaller one, else it waits.
    ``connection`` needs the relay's rights and must not be in a transaction. Several may run at
    once: each range is written under a row's lock. A crash at any moment leaves a whole archive.
    An end that cannot be read, or is lost, is written again from the log (``repaired`` is called).
    ``trusted`` is a head that an earlier call returned. Raises ArchiveMismatch where the bucket
    holds another log's archive, ArchiveNotStored where it does not keep what is written to it.
    """
    head = await _load(connection, bucket, prefix, trusted, repaired)
    target: int = await connection.fetchval(_HEAD)
    progress(head.last, target)
    while head.last + (1 if close else range_events) <= target:
        limit = min(head.last + range_events, target)
        written = await _archive_range(connection, bucket, prefix, head, limit)
        if written is None:
            head = await _load(connection, bucket, prefix, head, repaired)
            continue
        head = written
        progress(head.last, target)
    return head


async def find_head(bucket: ArchiveBucket, *, prefix: str = PREFIX) -> ArchiveHead:
    """Where the archive in a bucket ends, judged by its last manifest alone. Raises BadArchive."""
    return (await _last_manifest(bucket, prefix))[0]


async def archived_position(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """The last position that this database knows to be archived."""
    found = await connection.fetchval("select value from log.relay where name = 'archived'")
    return found or 0


async def _load(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    prefix: str,
    trusted: ArchiveHead | None,
    repaired: Repaired,
) -> ArchiveHead:
    """The archive's end, with the database's note of it brought up to date."""
    async with connection.transaction():
        noted = await _lock(connection)
        head, manifest, damaged = await _sound_end(bucket, prefix, trusted)
        if damaged:
            # The log is whole here, so what the archive lost is written again from it.
            _log.error("the archive's end cannot be read and is rewritten", ranges=damaged)
            for number in damaged:
                await bucket.delete(manifest_key(prefix, number))
            repaired(len(damaged))
        if manifest is not None:
            if await connection.fetchval(_AT, head.last) != manifest.last_event_id:
                raise ArchiveMismatch("The bucket holds the archive of another log.")
            if head.last < noted and not damaged:
                _log.error("the archive lost its end, which is rewritten", at=head.last, to=noted)
                repaired(1)
        elif noted:
            # The log is whole here, so that a new archive loses nothing.
            _log.warning("the archive is empty and begins anew", archived=noted)
        await _note(connection, head.last)
    return head


async def _archive_range(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    prefix: str,
    head: ArchiveHead,
    limit: int,
) -> ArchiveHead | None:
    """Write the range after ``head``; None if somebody else did meanwhile."""
    number = head.number + 1
    async with connection.transaction():
        if await _lock(connection) != head.last or await find_manifest(bucket, prefix, number):
            return None
        events = await _read_range(connection, head.last, limit)
        packed, raw_bytes = await asyncio.to_thread(pack, events)
        first, last, sha256 = events[0].position, events[-1].position, digest(packed)
        manifest = msgspec.json.encode(
            Manifest(
                format=FORMAT,
                number=number,
                first=first,
                last=last,
                last_event_id=events[-1].event_id,
                object=object_key(prefix, first, last, sha256),
                bytes=len(packed),
                sha256=sha256,
                raw_bytes=raw_bytes,
                previous=head.hash,
                created_at=datetime.now(UTC),
            )
        )
        # Events first: a manifest never names what is not there.
        await _store(bucket, object_key(prefix, first, last, sha256), packed, "application/zstd")
        await _store(bucket, manifest_key(prefix, number), manifest, "application/json")
        await _note(connection, last)
    return ArchiveHead(number, last, digest(manifest))


async def _store(bucket: ArchiveBucket, key: str, data: bytes, content_type: str) -> None:
    """Store an object and read it back. Raises ArchiveNotStored where it is another."""
    await bucket.put(key, data, content_type)
    if await bucket.read(key) != data:
        raise ArchiveNotStored(f"{key} is not what was written to it.")


async def _read_range(
    connection: "asyncpg.Connection[asyncpg.Record]", after: int, limit: int
) -> list[ArchivedEvent]:
    events: list[ArchivedEvent] = []
    size = 0
    while after < limit and size < _RANGE_BYTES:
        rows: list[Any] = await connection.fetch(_READ, after, min(after + _PAGE_EVENTS, limit))
        for row in rows:
            event = archived_from_row(row)
            size += len(bytes(event.data)) + len(bytes(event.metadata))
            events.append(event)
            if size >= _RANGE_BYTES:
                break
        after = events[-1].position
    return events


async def _lock(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Hold the note of what is archived until the transaction ends; returns it."""
    await connection.execute(
        "insert into log.relay (name, value) values ('archived', 0) on conflict do nothing"
    )
    return await connection.fetchval(
        "select value from log.relay where name = 'archived' for update"
    )


async def _note(connection: "asyncpg.Connection[asyncpg.Record]", position: int) -> None:
    await connection.execute(
        "update log.relay set value = $1 where name = 'archived' and value <> $1", position
    )


async def range_numbers(bucket: ArchiveBucket, prefix: str) -> list[int]:
    """The ranges that have a manifest, in order."""
    found = [
        manifest_number(prefix, entry.key) async for entry in bucket.list(manifests_prefix(prefix))
    ]
    return sorted(number for number in found if number)


async def _last_manifest(bucket: ArchiveBucket, prefix: str) -> tuple[ArchiveHead, Manifest | None]:
    numbers = await range_numbers(bucket, prefix)
    if not numbers:
        return ArchiveHead(), None
    data = await bucket.read(manifest_key(prefix, numbers[-1]))
    manifest = decode_manifest(data)
    return ArchiveHead(manifest.number, manifest.last, digest(data)), manifest


async def _sound_end(
    bucket: ArchiveBucket, prefix: str, trusted: ArchiveHead | None
) -> tuple[ArchiveHead, Manifest | None, list[int]]:
    """The last range that can be read, its manifest, and the ranges behind it that cannot."""
    damaged: list[int] = []
    for number in reversed(await range_numbers(bucket, prefix)):
        found = await _read_end(bucket, prefix, number, trusted)
        if found is None:
            # One wrong answer of the storage is not believed.
            await asyncio.sleep(_SECOND_LOOK_SECONDS)
            found = await _read_end(bucket, prefix, number, trusted)
        if found is not None:
            return *found, damaged
        damaged.append(number)
    return ArchiveHead(), None, damaged


async def _read_end(
    bucket: ArchiveBucket, prefix: str, number: int, trusted: ArchiveHead | None
) -> tuple[ArchiveHead, Manifest] | None:
    """A range as the archive's end, or None where manifest or events cannot be read.

    The events of a ``trusted`` end are not read again.
    """
    try:
        data = await bucket.read(manifest_key(prefix, number))
        manifest = decode_manifest(data)
        head = ArchiveHead(manifest.number, manifest.last, digest(data))
        if head != trusted:
            unpack(manifest, await bucket.read(manifest.object))
    except (BadArchive, NotFound) as error:
        _log.error("a range of the archive cannot be read", number=number, error=str(error))
        return None
    return head, manifest


async def find_manifest(bucket: ArchiveBucket, prefix: str, number: int) -> Manifest | None:
    """A range's manifest, or None where there is none that can be read."""
    try:
        return usable_manifest(await bucket.read(manifest_key(prefix, number)))
    except NotFound:
        return None


def usable_manifest(data: bytes) -> Manifest | None:
    """A manifest, or None where these bytes are none."""
    try:
        return decode_manifest(data)
    except BadArchive:
        return None
