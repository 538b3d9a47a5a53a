"""What a backup asks of the database beside its dump."""

# ruff: noqa: S608 - names of tables are quoted by the database

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from shared.database.connection import BoundedConnection
from shared.errors import Conflict

_LOCK: Final = 7_100_003
_TABLES: Final = r"""
select format('%I.%I', schemaname, tablename) from pg_tables
where schemaname <> 'information_schema' and schemaname !~ '^pg_|_rebuild$|_replay$'
order by 1
"""
_SERVICES: Final = """
select distinct usename from pg_stat_activity
where datname = current_database() and usename like 'cinelog\\_%'
and usename not in ('cinelog_backup', 'cinelog_admin') and usename <> current_user order by 1
"""


class BackupRunning(Conflict):
    """Another backup of this database is being made."""

    code = "backup_running"


class Snapshot(msgspec.Struct, frozen=True):
    """A moment of the database: its name for other sessions, the log's end, rows by table."""

    name: str
    position: int
    counts: dict[str, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """That a backup was made (``backup``), or restored for a test (``restore_test``)."""

    kind: str
    name: str
    finished_at: datetime
    seconds: float
    bytes: int


@asynccontextmanager
async def connected(url: str, *, answer_seconds: float | None = None) -> AsyncGenerator[Any]:
    """A session; without ``answer_seconds``, what it asks may take as long as it needs."""
    options = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    connection = await asyncpg.connect(
        url,
        timeout=10,
        command_timeout=answer_seconds,
        connection_class=BoundedConnection,
        server_settings=options,
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def alone(url: str) -> AsyncGenerator[None]:
    """While no other backup of this database is made. Raises BackupRunning."""
    async with connected(url) as connection:
        if not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            raise BackupRunning("Another backup is being made.")
        yield


@asynccontextmanager
async def snapshot(url: str) -> AsyncGenerator[Snapshot]:
    """A moment that pg_dump can see, too, until the end."""
    async with (
        connected(url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        name = await connection.fetchval("select pg_export_snapshot()")
        position = await connection.fetchval("select coalesce(max(position), 0) from log.positions")
        yield Snapshot(name, position, await count(connection))


async def count(connection: Any) -> dict[str, int]:
    """The rows of every table of ours."""
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    return {table: await connection.fetchval(f"select count(*) from {table}") for table in tables}


async def services_connected(connection: Any) -> list[str]:
    """The roles of services that are logged in to this database."""
    return [row[0] for row in await connection.fetch(_SERVICES)]


async def report(url: str, done: Report) -> None:
    """Note it in the database, where the reconciler reads it for its metrics."""
    async with connected(url) as connection:
        await connection.execute(
            "insert into log.backups (kind, name, finished_at, seconds, bytes)"
            " values ($1, $2, $3, $4, $5) on conflict do nothing",
            *(done.kind, done.name, done.finished_at, done.seconds, done.bytes),
        )


async def last_reports(connection: Any) -> list[Report]:
    """The newest of each kind."""
    rows = await connection.fetch(
        "select distinct on (kind) kind, name, finished_at, seconds, bytes from log.backups"
        " order by kind, finished_at desc"
    )
    return [Report(**dict(row)) for row in rows]
