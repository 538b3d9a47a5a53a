"""Whoever starts before the migrations have run waits for them, and no longer."""

import asyncio

import asyncpg

from shared.database.migrations import Migrations
from shared.database.wait import missing, wait
from tests.support.databases import Database

MODULES = ("shared.event_store", "services.auth")


async def test_a_migrated_database_lets_its_role_start(database: Database) -> None:
    async with asyncio.timeout(20):
        await wait(database.url("auth"), MODULES)
        await wait(database.url("relay"), MODULES[:1])


async def test_it_waits_for_a_revision_that_is_still_to_come(database: Database) -> None:
    await _set_revision(database, "0000_before_everything")
    # Not one of ours: to us it is newer, and what we need is there.
    assert await missing(database.url("auth"), [Migrations("services.auth")]) is None
    await _set_revision(database, None)
    reason = await missing(database.url("auth"), [Migrations("services.auth")])
    assert reason == "schema auth is at revision None"


async def test_it_waits_for_a_server_and_a_login(database: Database) -> None:
    nobody = database.url("auth").replace("cinelog_auth:", "cinelog_auth:not-")
    assert "InvalidPassword" in str(await missing(nobody, []))
    elsewhere = "postgresql://cinelog_auth:secret@127.0.0.1:1/postgres"
    reason = str(await missing(elsewhere, []))
    assert reason.startswith("Connection")
    assert "secret" not in reason


async def _set_revision(database: Database, revision: str | None) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("delete from auth.schema_revision")
        if revision:
            await connection.execute("insert into auth.schema_revision values ($1)", revision)
    finally:
        await connection.close()
