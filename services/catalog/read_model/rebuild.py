"""Rebuilds the read models from the log beside live traffic, and compares new and live rows.

The new tables are in a schema of their own. A rebuild fills them up to the live checkpoint, then
creates their indexes. One last transaction locks the live checkpoint, so that the projector waits,
applies the remaining events, compares rows and exchanges new and live tables. Readers wait for the
exchange only. A rebuild logs in as the owner of the tables.
"""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

import asyncio
import hashlib
import importlib.resources
import inspect
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable

from services.catalog import rows, tables
from services.catalog.read_model.comparison import SCHEMA, Report, compare_tables
from services.catalog.read_model.folding import IGNORED
from services.catalog.read_model.late_events import LateRow, late_after_rebuild, send_back
from services.catalog.read_model.library_rows import FOLD
from services.catalog.read_model.projections import NAME, Library
from services.catalog.tables import AT_ONCE, READ_MODELS, checkpoints, metadata
from shared import text_rules
from shared.errors import Conflict
from shared.event_store.projections.fold_marks import FoldMarks
from shared.event_store.store import SequencedEvent, Unreadable
from shared.loops.leadership import lock_key

_RETIRED: Final = "catalog_retired"
_BATCH: Final = 20_000
_ATTEMPTS: Final = 100
_PAUSE_SECONDS: Final = 0.1
_LOCK_NOT_AVAILABLE: Final = "55P03"
# A rebuild by other code is not resumed, because its rows may differ.
_FOLDED_BY: Final = (tables, rows, text_rules)


class RebuildRunning(Conflict):
    code = "rebuild_running"


class UnreadableEvent(Conflict):
    code = "unreadable_event"


class TablesInUse(Conflict):
    code = "tables_in_use"


Progress = Callable[[int, int], None]
"""Called with the current and the target position."""


class Log(Protocol):
    """The log that a rebuild reads."""

    async def read_between(
        self, after_position: int, last_position: int, without: Sequence[str]
    ) -> list[SequencedEvent]:
        """Events after one position up to another, except those of some types."""
        ...


class Rebuild:
    """One rebuild of the library. A new run resumes an interrupted one."""

    def __init__(self, engine: AsyncEngine, store: Log, progress: Progress) -> None:
        self._engine = engine
        self._log = store
        self._progress = progress
        self._library = Library(SCHEMA)

    async def run(self, *, swap: bool, compare: bool = True) -> Report:
        """Rebuild the tables; ``compare`` compares their rows, ``swap`` replaces the live tables.

        The projector waits during the comparison. Without ``compare`` the report has no rows.

        Raises RebuildRunning during another rebuild, TablesInUse if readers block the swap for too
        long, and UnreadableEvent for an event that this build cannot decode.
        """
        async with self._engine.connect() as guard:
            key = lock_key(f"rebuild {NAME}")
            taken = await guard.execute(text("select pg_try_advisory_lock(:key)"), {"key": key})
            if not taken.scalar_one():
                raise RebuildRunning("Another rebuild is running.")
            # An open transaction would hold back vacuum during the whole rebuild.
            await guard.commit()
            try:
                await self._prepare()
                await self._catch_up()
                await self._index()
                return await self._finish(swap=swap, compare=compare)
            finally:
                await guard.execute(text("select pg_advisory_unlock(:key)"), {"key": key})

    async def _prepare(self) -> None:
        """Create the new tables, or keep those of an interrupted rebuild by the same code."""
        fingerprint = _fingerprint()
        async with self._engine.begin() as connection:
            found = await connection.execute(
                text("select obj_description(to_regnamespace(:schema)::oid, 'pg_namespace')"),
                {"schema": SCHEMA},
            )
            if found.scalar_one_or_none() == fingerprint:
                return
            await connection.execute(text(f"drop schema if exists {SCHEMA} cascade"))
            await connection.execute(CreateSchema(SCHEMA))
            await connection.execute(text(f"comment on schema {SCHEMA} is '{fingerprint}'"))
            copied = MetaData()
            for table in (*READ_MODELS, checkpoints):
                own = table.to_metadata(copied, schema=SCHEMA)
                await connection.execute(CreateTable(own))
                for index in own.indexes:
                    if AT_ONCE in index.info:
                        await connection.execute(CreateIndex(index))
            await connection.execute(
                text(f"insert into {SCHEMA}.checkpoints (name, position) values (:name, 0)"),
                {"name": NAME},
            )

    async def _catch_up(self) -> None:
        """Apply the log up to the live checkpoint. The live projection must apply later events
        itself, because it also updates tables that are not rebuilt."""
        async with self._engine.connect() as connection:
            position = await _position(connection, SCHEMA)
        reading: asyncio.Task[list[SequencedEvent]] | None = None
        try:
            while True:
                target = await self._live_position()
                self._progress(position, target)
                if position >= target:
                    return
                last = min(position + _BATCH, target)
                events = await (reading or self._read(position, last))
                # Read and decode the next range while this one is written.
                following = min(last + _BATCH, target)
                reading = None
                if following == last + _BATCH:
                    reading = asyncio.create_task(self._read(last, following))
                async with self._engine.begin() as connection:
                    # A crash loses the last ranges; a new run applies them again.
                    await connection.execute(text("set local synchronous_commit = off"))
                    await self._apply(connection, events, last)
                position = last
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _live_position(self) -> int:
        async with self._engine.connect() as connection:
            return await _position(connection, metadata.schema)

    async def _read(self, after: int, last: int) -> list[SequencedEvent]:
        return await self._log.read_between(after, last, IGNORED)

    async def _apply(
        self, connection: AsyncConnection, events: Sequence[SequencedEvent], last: int
    ) -> None:
        for event in events:
            if isinstance(event.data, Unreadable):
                raise UnreadableEvent(
                    f"{event.stream_id} version {event.version}: {event.data.reason}"
                )
        if events:
            await self._library.apply(connection, events)
        await connection.execute(
            text(f"update {SCHEMA}.checkpoints set position = :position"), {"position": last}
        )

    async def _index(self) -> None:
        """Create the missing indexes: over full tables this is faster than row by row."""
        copied = MetaData()
        async with self._engine.begin() as connection:
            for table in READ_MODELS:
                for index in table.to_metadata(copied, schema=SCHEMA).indexes:
                    await connection.execute(CreateIndex(index, if_not_exists=True))
            for table in READ_MODELS:
                await connection.execute(text(f"analyze {SCHEMA}.{table.name}"))

    async def _finish(self, *, swap: bool, compare: bool) -> Report:
        async with self._engine.begin() as connection:
            # From here on the projector waits; readers do not.
            await connection.execute(
                text(
                    f"select position from {checkpoints.fullname}"
                    " where name = :name for no key update"
                ),
                {"name": NAME},
            )
            target = await _position(connection, metadata.schema)
            while (position := await _position(connection, SCHEMA)) < target:
                last = min(position + _BATCH, target)
                await self._apply(connection, await self._read(position, last), last)
            report = Report(events=target, swapped=swap)
            if compare:
                report = await compare_tables(connection, target, swapped=swap)
            if swap:
                await _swap_when_free(
                    connection, await late_after_rebuild(connection, SCHEMA, NAME)
                )
                await FoldMarks(str(metadata.schema), NAME).mark_all(connection, FOLD)
            else:
                await connection.execute(text(f"drop schema {SCHEMA} cascade"))
        if swap:
            await drop_retired(self._engine)
        return report


async def drop_retired(engine: AsyncEngine) -> None:
    """Drop the tables that were live, one after the other.

    A reader's prepared statement may still lock several of them, before it learns that they are
    not the live ones any more. A transaction that drops all would wait for one that the reader has
    locked, and hold another that the reader waits for.
    """
    for table in READ_MODELS:
        async with engine.begin() as connection:
            await connection.execute(text(f"drop table if exists {_RETIRED}.{table.name} cascade"))
    async with engine.begin() as connection:
        await connection.execute(text(f"drop schema if exists {_RETIRED} cascade"))


async def _swap_when_free(connection: AsyncConnection, late: Sequence[LateRow]) -> None:
    """Retry the swap until it gets its locks.

    A reader that has locked one table may wait for another that the swap has locked. The lock
    timeout is shorter than the server's deadlock_timeout (1 s), so the swap gives up before the
    server ends the reader. It also limits how long new readers wait behind the swap.
    """
    await connection.execute(text("set local lock_timeout = '200ms'"))
    for attempt in range(_ATTEMPTS):
        try:
            async with connection.begin_nested():
                await send_back(connection, late)
                await _swap(connection)
            return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if attempt == _ATTEMPTS - 1:
                raise TablesInUse("The tables are in use. Try again later.") from error
            await asyncio.sleep(_PAUSE_SECONDS)


async def _swap(connection: AsyncConnection) -> None:
    """Exchange new and live tables; grant the service its privileges on the new ones."""
    schema = metadata.schema
    await connection.execute(text(f"drop schema if exists {_RETIRED} cascade"))
    await connection.execute(text(f"create schema {_RETIRED}"))
    for table in READ_MODELS:
        await connection.execute(text(f"alter table {table.fullname} set schema {_RETIRED}"))
        await connection.execute(text(f"alter table {SCHEMA}.{table.name} set schema {schema}"))
        await connection.execute(
            text(
                f"grant select, insert, update, delete, truncate on {table.fullname}"
                f" to cinelog_{schema}"
            )
        )
    # The rebuild has applied all parked events; otherwise it would have failed.
    parked = await connection.execute(
        text(f"delete from {schema}.parked_events where projection = :name"), {"name": NAME}
    )
    if parked.rowcount:
        # The projector caches parked events; it restarts when its lock's session ends.
        await connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
                " and granted and database = (select oid from pg_database"
                " where datname = current_database())"
                " and (classid::bigint << 32) | objid::bigint = :key"
            ),
            {"key": lock_key(f"projection {schema}.{NAME}")},
        )
    await connection.execute(text(f"drop schema {SCHEMA} cascade"))


async def _position(connection: AsyncConnection, schema: str | None) -> int:
    found = await connection.execute(
        text(f"select position from {schema}.checkpoints where name = :name"), {"name": NAME}
    )
    return found.scalar_one_or_none() or 0


def _fingerprint() -> str:
    """The SHA-256 of all code that computes rows: this package, tables, rows and text rules."""
    package = importlib.resources.files("services.catalog.read_model")
    sources = sorted(
        (path.name, path.read_bytes()) for path in package.iterdir() if path.name.endswith(".py")
    )
    digest = hashlib.sha256()
    for _, source in sources:
        digest.update(source)
    for module in _FOLDED_BY:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()
