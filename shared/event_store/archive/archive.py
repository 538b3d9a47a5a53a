"""Writes closed ranges of the log to a bucket, as a backup of the database's log.

``archive_verify.verify`` checks the whole archive, and ``restore.restore`` fills an empty database
from it. See docs/decisions/0005; docs/recovery.md describes what a restore recovers.
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
# A range also ends at this size, however few events it has.
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
"""Called with the last archived position and the log's last position."""

Repaired = Callable[[int], None]
"""Called with the number of ranges at the archive's end that have to be written again."""


class Listed(Protocol):
    """An object in a bucket's listing."""

    @property
    def key(self) -> str:
        """Its key."""
        ...


class ArchiveReader(Protocol):
    """The part of ``shared.blobs.store.BlobStore`` that reading an archive uses."""

    async def read(self, key: str) -> bytes:
        """An object's bytes. Raises NotFound."""
        ...

    def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Listed]:
        """Every object below ``prefix`` whose key sorts after ``after``, in key order."""
        ...


class ArchiveBucket(ArchiveReader, Protocol):
    """What writing an archive uses beside that."""

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store an object whole."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; it is no error if it is gone already."""
        ...


class ArchiveMismatch(Conflict):
    """The bucket holds the archive of another log, or its last ranges are missing."""

    code = "archive_mismatch"


class ArchiveNotStored(Unavailable):
    """The bucket does not give back what was written to it. Nothing refers to it."""

    code = "archive_not_stored"


class ArchiveHead(msgspec.Struct, frozen=True):
    """The end of an archive: its last range and position (0 if it is empty), and the hash of the
    last manifest, which covers the whole chain."""

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
    """Archive the events that have a position and are not archived yet; return the new head.

    Events are written in ranges of ``range_events``; with ``close`` the remaining events become a
    smaller range. ``connection`` needs the relay's privileges and must not be in a transaction.
    Concurrent calls are safe, because each range is written under a row lock. A crash leaves a
    valid archive. Ranges at the end that are unreadable or missing are written again from the log,
    and ``repaired`` is called. ``trusted`` is a head that an earlier call returned.

    Raises ArchiveMismatch if the bucket holds the archive of another log, ArchiveNotStored if the
    bucket does not return what was written to it.
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


async def find_head(bucket: ArchiveReader, *, prefix: str = PREFIX) -> ArchiveHead:
    """The head of the archive in a bucket, from its last manifest only. Raises BadArchive."""
    return (await _last_manifest(bucket, prefix))[0]


async def archived_position(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """The last archived position that ``log.relay`` records."""
    found = await connection.fetchval("select value from log.relay where name = 'archived'")
    return found or 0


async def _load(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    prefix: str,
    trusted: ArchiveHead | None,
    repaired: Repaired,
) -> ArchiveHead:
    """Returns the archive's head and stores its position in log.relay."""
    async with connection.transaction():
        noted = await _lock(connection)
        head, manifest, damaged = await _sound_end(bucket, prefix, trusted)
        if damaged:
            # The database holds the complete log, so the lost ranges are written again from it.
            _log.error("end of the archive is unreadable, rewriting it", ranges=damaged)
            for number in damaged:
                await bucket.delete(manifest_key(prefix, number))
            repaired(len(damaged))
        if manifest is not None:
            if await connection.fetchval(_AT, head.last) != manifest.last_event_id:
                raise ArchiveMismatch("The bucket holds the archive of another log.")
            if head.last < noted and not damaged:
                _log.error("end of the archive is missing, rewriting it", at=head.last, to=noted)
                repaired(1)
        elif noted:
            # The database holds the complete log, so a new archive loses nothing.
            _log.warning("archive is empty, starting a new one", archived=noted)
        await _record(connection, head.last)
    return head


async def _archive_range(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    prefix: str,
    head: ArchiveHead,
    limit: int,
) -> ArchiveHead | None:
    """Write the range after ``head``; None if another archiver has written it meanwhile."""
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
        # Events first: a manifest must only name an object that exists.
        await _store(bucket, object_key(prefix, first, last, sha256), packed, "application/zstd")
        await _store(bucket, manifest_key(prefix, number), manifest, "application/json")
        await _record(connection, last)
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
    """Lock the archived position in log.relay until the transaction ends; return it."""
    await connection.execute(
        "insert into log.relay (name, value) values ('archived', 0) on conflict do nothing"
    )
    return await connection.fetchval(
        "select value from log.relay where name = 'archived' for update"
    )


async def _record(connection: "asyncpg.Connection[asyncpg.Record]", position: int) -> None:
    await connection.execute(
        "update log.relay set value = $1 where name = 'archived' and value <> $1", position
    )


async def range_numbers(bucket: ArchiveReader, prefix: str, *, first: int = 1) -> list[int]:
    """The numbers of the ranges from ``first`` on that have a manifest, in order."""
    listed = bucket.list(manifests_prefix(prefix), after=manifest_key(prefix, first - 1))
    found = [manifest_number(prefix, entry.key) async for entry in listed]
    return sorted(number for number in found if number)


async def _last_manifest(bucket: ArchiveReader, prefix: str) -> tuple[ArchiveHead, Manifest | None]:
    numbers = await range_numbers(bucket, prefix)
    if not numbers:
        return ArchiveHead(), None
    data = await bucket.read(manifest_key(prefix, numbers[-1]))
    manifest = decode_manifest(data)
    return ArchiveHead(manifest.number, manifest.last, digest(data)), manifest


async def _sound_end(
    bucket: ArchiveBucket, prefix: str, trusted: ArchiveHead | None
) -> tuple[ArchiveHead, Manifest | None, list[int]]:
    """The last readable range, its manifest, and the numbers of unreadable ranges after it.

    Lists only what follows a ``trusted`` end, unless that is unreadable itself.
    """
    if trusted is not None and trusted.number > 1:
        found = await _sound_end_from(bucket, prefix, trusted, first=trusted.number)
        if found[1] is not None:
            return found
    return await _sound_end_from(bucket, prefix, trusted, first=1)


async def _sound_end_from(
    bucket: ArchiveBucket, prefix: str, trusted: ArchiveHead | None, *, first: int
) -> tuple[ArchiveHead, Manifest | None, list[int]]:
    damaged: list[int] = []
    for number in reversed(await range_numbers(bucket, prefix, first=first)):
        found = await _read_end(bucket, prefix, number, trusted)
        if found is None:
            # Read again, because one wrong answer may be a passing fault of the storage.
            await asyncio.sleep(_SECOND_LOOK_SECONDS)
            found = await _read_end(bucket, prefix, number, trusted)
        if found is not None:
            return *found, damaged
        damaged.append(number)
    return ArchiveHead(), None, damaged


async def _read_end(
    bucket: ArchiveBucket, prefix: str, number: int, trusted: ArchiveHead | None
) -> tuple[ArchiveHead, Manifest] | None:
    """A range as the archive's end, or None if its manifest or events are unreadable.

    The events of a ``trusted`` end are not read again.
    """
    try:
        data = await bucket.read(manifest_key(prefix, number))
        manifest = decode_manifest(data)
        head = ArchiveHead(manifest.number, manifest.last, digest(data))
        if head != trusted:
            unpack(manifest, await bucket.read(manifest.object))
    except (BadArchive, NotFound) as error:
        _log.error("range of the archive is unreadable", number=number, error=str(error))
        return None
    return head, manifest


async def find_manifest(bucket: ArchiveReader, prefix: str, number: int) -> Manifest | None:
    """A range's manifest, or None if it is missing or unreadable."""
    try:
        return usable_manifest(await bucket.read(manifest_key(prefix, number)))
    except NotFound:
        return None


def usable_manifest(data: bytes) -> Manifest | None:
    """The manifest, or None if these bytes are not a valid one."""
    try:
        return decode_manifest(data)
    except BadArchive:
        return None
