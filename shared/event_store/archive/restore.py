"""Filling an empty database's log from the archive in a bucket, and from nothing else."""

from typing import Any

import asyncpg
import msgspec

from shared.errors import Conflict
from shared.event_store.archive.archive import ArchiveBucket, ArchiveHead, Progress, find_head
from shared.event_store.archive.archive_format import PREFIX, ArchivedEvent, BadArchive
from shared.event_store.archive.archive_verify import read_ranges

_EVENT_COLUMNS = (
    *("seq", "stream_id", "version", "event_id", "type", "schema_version"),
    *("data", "metadata", "recorded_at"),
)
_CHECKPOINTS = """
select table_schema from information_schema.tables where table_name = 'checkpoints'
"""


class DatabaseNotEmpty(Conflict):
    """There is something in the database already. Restore into a new, migrated one."""

    code = "database_not_empty"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """``events`` are in the log again, at the positions they had."""

    ranges: int
    events: int
    head: ArchiveHead


async def restore(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveBucket,
    *,
    prefix: str = PREFIX,
    expected: ArchiveHead | None = None,
    progress: Progress = lambda _at, _of: None,
) -> Restored:
    """Write the whole archive into the empty log of a migrated database, or nothing at all.

    ``connection`` logs in as the owner (DATABASE_ADMIN_URL). Positions, event ids and times are
    those of old, so cursors that clients hold stay good; the read models fill themselves as the
    services start, and the archive goes on where it ended. Every hash is checked on the way;
    ``expected`` is a head noted earlier that the archive must end with.

    Raises DatabaseNotEmpty, or BadArchive where the archive is not whole.
    """
    total = (await find_head(bucket, prefix=prefix)).last
    ranges = 0
    head = ArchiveHead()
    async with connection.transaction():
        # Nobody appends between the look and the end.
        await connection.execute("lock table log.events, log.positions in exclusive mode")
        await _refuse_non_empty(connection)
        async for manifest, hashed, events in read_ranges(bucket, prefix=prefix):
            await _insert(connection, events)
            ranges, head = ranges + 1, ArchiveHead(manifest.number, manifest.last, hashed)
            progress(head.last, total)
        if head.last == 0:
            raise BadArchive("there is no archive in this bucket, or it is empty")
        if expected is not None and expected != head:
            raise BadArchive(f"the archive ends with {head.hash}, not with {expected.hash}")
        await _note(connection, head.last)
    await connection.execute("analyze log.events, log.positions")
    return Restored(ranges=ranges, events=head.last, head=head)


async def _refuse_non_empty(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for table in ("events", "positions"):
        if await connection.fetchval(f"select exists (select from log.{table})"):  # noqa: S608
            raise DatabaseNotEmpty("The log holds events already.")
    for row in await connection.fetch(_CHECKPOINTS):
        schema = await connection.fetchval("select quote_ident($1)", row[0])
        moved = f"select exists (select from {schema}.checkpoints where position > 0)"  # noqa: S608
        if await connection.fetchval(moved):
            raise DatabaseNotEmpty(f"The read models of {row[0]} hold something already.")


async def _insert(
    connection: "asyncpg.Connection[asyncpg.Record]", events: list[ArchivedEvent]
) -> None:
    # Numbers in the order of positions: nothing is missing between them, so that the relay finds
    # a log in which every number is accounted for.
    rows: list[tuple[Any, ...]] = [
        (
            event.position,
            event.stream_id,
            event.version,
            event.event_id,
            event.type,
            event.schema_version,
            bytes(event.data).decode(),
            bytes(event.metadata).decode(),
            event.recorded_at,
        )
        for event in events
    ]
    await connection.copy_records_to_table(
        "events", schema_name="log", columns=_EVENT_COLUMNS, records=rows
    )
    await connection.copy_records_to_table(
        "positions",
        schema_name="log",
        columns=("position", "seq"),
        records=[(event.position, event.position) for event in events],
    )


async def _note(connection: "asyncpg.Connection[asyncpg.Record]", last: int) -> None:
    """Let the next event get the next number, and the relay and the archiver go on from here.

    Counted as published: projections read what they lack from the log, not from the broker.
    """
    await connection.execute(
        "select setval(pg_get_serial_sequence('log.events', 'seq'), $1::bigint)", last
    )
    await connection.executemany(
        "insert into log.relay (name, value) values ($1, $2)"
        " on conflict (name) do update set value = excluded.value",
        [("frontier", last), ("published", last), ("archived", last)],
    )
