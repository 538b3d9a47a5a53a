"""Migrations and models agree, module by module, and running them again changes nothing."""

import asyncpg
import pytest

from deploy.local.database import modules
from shared.database.connect import create_engine
from shared.database.migrations import Migrations
from shared.database.setup import prepare
from tests.support.databases import Database


@pytest.mark.parametrize("module", modules())
async def test_the_migrated_schema_is_what_the_models_say(database: Database, module: str) -> None:
    engine = create_engine(database.admin_url, size=1)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(Migrations(module).differences) == []
    finally:
        await engine.dispose()


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
