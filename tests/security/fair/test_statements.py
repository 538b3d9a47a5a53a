"""Statements that would keep the database busy."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database.connect import ANSWER_SECONDS, Silence, create_engine
from shared.database.setup import ROLES
from shared.database_sessions import STATEMENT_SECONDS
from shared.outages import is_outage
from tests.support.databases import Database

SHOW = "show statement_timeout"


@pytest.mark.parametrize("role", ROLES)
async def test_every_service_has_a_limit_whoever_connects_for_it(database: Database, role: str):
    connection = await asyncpg.connect(database.url(role))
    try:
        assert await connection.fetchval(SHOW) == f"{STATEMENT_SECONDS}s"
    finally:
        await connection.close()
    # The server gives up first: a client that does would replace all of its connections.
    assert STATEMENT_SECONDS < ANSWER_SECONDS


async def test_the_owner_has_none(database: Database):
    connection = await asyncpg.connect(database.admin_url)
    try:
        assert await connection.fetchval(SHOW) == "0"
    finally:
        await connection.close()


async def test_a_statement_that_takes_too_long_fails_alone(database: Database):
    heard: list[None] = []

    class Heard(Silence):
        def found(self) -> None:
            heard.append(None)

    engine = create_engine(database.url("catalog"), size=1, silence=Heard())
    try:
        async with engine.connect() as connection:
            await connection.execute(text("set statement_timeout = '200ms'"))
            session = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
            await connection.commit()
            with pytest.raises(DBAPIError) as refused:
                await connection.execute(text("select pg_sleep(60)"))
            assert is_outage(refused.value)
            await connection.rollback()
            again = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
        assert again == session
        assert not heard
    finally:
        await engine.dispose()


async def test_listening_and_leading_are_not_statements(database: Database):
    """A session may wait for as long as it likes between statements."""
    connection = await asyncpg.connect(database.url("relay"))
    try:
        await connection.execute("set statement_timeout = '100ms'")
        await connection.execute("listen somewhere")
        await connection.fetchval("select pg_advisory_lock(1)")
        other = await asyncpg.connect(database.url("auth"))
        await other.execute("select pg_sleep(0.3)")
        await other.execute("notify somewhere")
        await other.close()
        assert await connection.fetchval("select 1") == 1
    finally:
        await connection.close()
