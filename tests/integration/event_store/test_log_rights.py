"""Nobody changes the log, and no service reads the tables of another."""

import asyncpg
import pytest

from tests.support.databases import Database


@pytest.mark.parametrize("table", ["events", "positions"])
@pytest.mark.parametrize(
    "statement", ["delete from log.{}", "truncate log.{}", "update log.{} set seq = seq"]
)
async def test_not_even_the_owner_changes_the_log(
    database: Database, table: str, statement: str
) -> None:
    owner = await asyncpg.connect(database.admin_url)
    try:
        with pytest.raises(asyncpg.PostgresError):
            await owner.execute(statement.format(table))
    finally:
        await owner.close()


@pytest.mark.parametrize("role", ["auth", "ingest", "transcoder", "catalog", "live", "relay"])
async def test_services_may_not_change_the_log_nor_read_each_others_tables(
    database: Database, role: str
) -> None:
    connection = await asyncpg.connect(database.url(role))
    try:
        for statement in ("delete from log.events", "update log.positions set position = 0"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        for schema in {"auth", "ingest", "transcoder", "catalog", "live"} - {role}:
            readable = await connection.fetchval(
                "select has_schema_privilege(current_user, $1, 'usage')", schema
            )
            assert not readable
    finally:
        await connection.close()
