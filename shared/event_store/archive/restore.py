"""Completes a log from the archive in a bucket: an empty log, or that of a restored dump."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.errors import Conflict
from shared.event_store.archive.archive import ArchiveHead, ArchiveReader, Progress, find_head
from shared.event_store.archive.archive_format import PREFIX, ArchivedEvent, BadArchive, Manifest
from shared.event_store.archive.archive_verify import read_ranges

_EVENT_COLUMNS = (
    *("seq", "stream_id", "version", "event_id", "type", "schema_version"),
    *("data", "metadata", "recorded_at"),
)
_BETWEEN = (
    "select p.position, e.event_id from log.positions p join log.events e using (seq)"
    " where p.position between $1 and $2"
)
_CHECKPOINTS = """
select table_schema from information_schema.tables where table_name = 'checkpoints'
"""


class DatabaseNotEmpty(Conflict):
    """The database holds data. Restore into a new, migrated one."""

    code = "database_not_empty"


class LogsDiffer(Conflict):
    """The database's log and the archive are different logs, or have diverged."""

    code = "logs_differ"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """``events`` events were added at their original positions, after ``kept`` existing ones.

    ``ranges`` is the number of ranges that were read from the archive.
    """

    ranges: int
    events: int
    kept: int
    head: ArchiveHead


async def restore(
    connection: "asyncpg.Connection[asyncpg.Record]",
    bucket: ArchiveReader,
    *,
    prefix: str = PREFIX,
    expected: ArchiveHead | None = None,
    progress: Progress = lambda _at, _of: None,
) -> Restored:
    """Append the archived events that the log lacks, all or nothing.

    The log is empty or that of a restored dump. ``connection`` logs in as the owner
    (DATABASE_ADMIN_URL), and no service may run. Positions, event ids and times are the original
    ones, so clients' cursors stay valid. The read models catch up when the services start, and the
    archive is continued where it ended. Every hash is verified; ``expected`` is a head recorded
    earlier, which must be the archive's head.

    Raises DatabaseNotEmpty if the log is empty but read models are not, LogsDiffer if the log is
    not the archived one or contradicts it, BadArchive if the archive is damaged or incomplete.
    """
    total = (await find_head(bucket, prefix=prefix)).last
    ranges = added = 0
    head = ArchiveHead()
    async with connection.transaction():
        # Prevents appends between the check and the commit.
        await connection.execute("lock table log.events, log.positions in exclusive mode")
        kept: int = await connection.fetchval(
            "select coalesce(max(position), 0) from log.positions"
        )
        if kept == 0:
            await _refuse_non_empty(connection)
        async for manifest, hashed, events in read_ranges(bucket, prefix=prefix):
            await _compare(connection, manifest, [e for e in events if e.position <= kept])
            beyond = [event for event in events if event.position > kept]
            await _insert(connection, beyond)
            added += len(beyond)
            ranges, head = ranges + 1, ArchiveHead(manifest.number, manifest.last, hashed)
            progress(head.last, total)
        if head.last == 0:
            raise BadArchive("there is no archive in this bucket, or it is empty")
        if expected is not None and expected != head:
            raise BadArchive(f"the archive ends with {head.hash}, not with {expected.hash}")
        await _record_positions(connection, head.last, kept)
    await connection.execute("analyze log.events, log.positions")
    return Restored(ranges=ranges, events=added, kept=kept, head=head)


async def _compare(
    connection: "asyncpg.Connection[asyncpg.Record]",
    manifest: Manifest,
    events: list[ArchivedEvent],
) -> None:
    """Raises LogsDiffer unless the log has each of these events of a range at its position.

    The log may end within the range, and have diverged there.
    """
    if not events:
        return
    found = await connection.fetch(_BETWEEN, manifest.first, events[-1].position)
    log = {row["position"]: row["event_id"] for row in found}
    for event in events:
        if log.get(event.position) != event.event_id:
            raise LogsDiffer(f"The log and the archive have different events at {event.position}.")


async def _refuse_non_empty(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for table in ("events", "positions"):
        if await connection.fetchval(f"select exists (select from log.{table})"):  # noqa: S608
            raise DatabaseNotEmpty("The log already holds events.")
    for row in await connection.fetch(_CHECKPOINTS):
        schema = await connection.fetchval("select quote_ident($1)", row["table_schema"])
        moved = f"select exists (select from {schema}.checkpoints where position > 0)"  # noqa: S608
        if await connection.fetchval(moved):
            raise DatabaseNotEmpty(f"The read models of {schema} already hold data.")


async def _insert(
    connection: "asyncpg.Connection[asyncpg.Record]", events: list[ArchivedEvent]
) -> None:
    """Append archived events and their positions.

    A dump may hold events that had no position yet: they keep their ``seq`` and get their archived
    position. The other events get the next values of ``seq``, in the order of their positions.
    """
    ids = [event.event_id for event in events]
    there = {
        row["event_id"]: row["seq"]
        for row in await connection.fetch(
            "select event_id, seq from log.events where event_id = any($1::uuid[])", ids
        )
    }
    last: int = await connection.fetchval("select coalesce(max(seq), 0) from log.events")
    numbers: dict[UUID, int] = dict(there)
    for event in events:
        if event.event_id not in there:
            last += 1
            numbers[event.event_id] = last
    rows: list[tuple[Any, ...]] = [
        (
            numbers[event.event_id],
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
        if event.event_id not in there
    ]
    try:
        await connection.copy_records_to_table(
            "events", schema_name="log", columns=_EVENT_COLUMNS, records=rows
        )
        await connection.copy_records_to_table(
            "positions",
            schema_name="log",
            columns=("position", "seq"),
            records=[(event.position, numbers[event.event_id]) for event in events],
        )
    except asyncpg.UniqueViolationError as error:
        raise LogsDiffer(
            f"The log has events of its own that the archive contradicts: {error}."
        ) from error


async def _record_positions(
    connection: "asyncpg.Connection[asyncpg.Record]", last: int, kept: int
) -> None:
    """Set the sequence and the positions of relay and archiver to the end of the log.

    The events count as published, because projections read missing events from the log. In the log
    of a dump the sequencer's frontier stays, because events above it may have no position yet.
    """
    await connection.execute(
        "select setval(pg_get_serial_sequence('log.events', 'seq'),"
        " (select max(seq) from log.events))"
    )
    notes = [("published", last), ("archived", last)]
    if kept == 0:
        notes.append(("frontier", last))
    await connection.executemany(
        "insert into log.relay (name, value) values ($1, $2)"
        " on conflict (name) do update set value = greatest(log.relay.value, excluded.value)",
        notes,
    )
