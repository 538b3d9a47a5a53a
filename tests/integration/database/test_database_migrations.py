"""Preparing a database twice is the same as once."""

import asyncpg

from deploy.local.database import modules
from shared.database.setup import prepare
from tests.support.databases import Database


async def test_preparing_again_changes_nothing(database: Database) -> None:
    before = await schema(database)

    await prepare(database.admin_url, modules(), {})

    assert await schema(database) == before


async def schema(database: Database) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database.admin_url)
    try:
        return await connection.fetch(
            "select table_schema, table_name, column_name, data_type"
            " from information_schema.columns"
            " where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2, 3"
        )
    finally:
        await connection.close()
