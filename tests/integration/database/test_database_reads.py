"""Reads outside transactions: connections that end or go silent, and waits for one that is free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.database.connect import QUICK_SECONDS, Silence
from shared.database.reads import Reads, create_read_pool
from shared.errors import Unavailable
from shared.outages import is_outage
from tests.support.databases import Database
from tests.support.network import network
from tests.support.wait import eventually

SECONDS = 0.5
# Waits as long as its owner holds the lock.
LOCKED = "select pg_backend_pid() as pid, pg_advisory_xact_lock_shared(1)"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database.admin_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(
    url: str, *, size: int = 1, silence: Silence | None = None
) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    pool = await create_read_pool(url, size=size, answer_seconds=SECONDS, silence=silence)
    try:
        yield pool
    finally:
        pool.terminate()


async def waiting_session(owner: "asyncpg.Connection[asyncpg.Record]") -> int:
    """The session that waits for the lock, once there is one."""
    found: list[int] = []

    async def shown() -> bool:
        found[:] = [
            row["pid"]
            for row in await owner.fetch(
                "select pid from pg_locks where locktype = 'advisory' and not granted"
            )
        ]
        return bool(found)

    await eventually(shown)
    return found[0]


async def test_a_read_whose_connection_ends_is_asked_again(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("select pg_advisory_lock(1)")
    pool = await create_read_pool(database.url("auth"), size=2)
    reading = asyncio.create_task(Reads(pool).row(LOCKED))
    ended = await waiting_session(owner)
    assert await owner.fetchval("select pg_terminate_backend($1)", ended)
    await owner.execute("select pg_advisory_unlock(1)")
    row = await reading
    assert row is not None
    assert row["pid"] != ended
    await pool.close()


async def test_connections_that_went_silent_are_replaced_together(database: Database) -> None:
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        async with opened(roads.over(database.url("auth")), size=3) as pool:
            reads = Reads(pool)
            await asyncio.gather(*(reads.row("select pg_sleep(0.1)") for _ in range(3)))
            assert roads.roads["postgres"].mute() == 3
            async with asyncio.timeout(20):
                assert await reads.row("select 1")
            # Only the first one had to find out.
            async with asyncio.timeout(5):
                await asyncio.gather(*(reads.row("select pg_sleep(0.1)") for _ in range(3)))


async def test_a_silent_read_tells_the_other_pools_of_its_process(database: Database) -> None:
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        silence, url = Silence(), roads.over(database.url("auth"))
        async with (
            opened(url, silence=silence) as first,
            opened(url, silence=silence) as second,
        ):
            for pool in (first, second):
                await Reads(pool).row("select 1")
            assert roads.roads["postgres"].mute() == 2
            async with asyncio.timeout(20):
                await Reads(first).row("select 1")
            # Not over its old connection.
            assert await second.fetchval("select 1") == 1


async def test_a_server_that_never_answers_is_an_outage(database: Database) -> None:
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        async with opened(roads.over(database.url("auth"))) as pool:
            await Reads(pool).row("select 1")
            roads.roads["postgres"].silent = True
            assert roads.roads["postgres"].mute() == 1
            async with asyncio.timeout(30):
                with pytest.raises((OSError, Unavailable, asyncpg.PostgresError)) as lost:
                    await Reads(pool).row("select 1")
            assert is_outage(lost.value)


async def test_a_read_waits_for_a_free_connection_only_so_long(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("select pg_advisory_lock(1)")
    pool = await create_read_pool(database.url("auth"), size=1)
    reads = Reads(pool, pool_seconds=0.1)
    busy = asyncio.create_task(reads.row(LOCKED))
    await waiting_session(owner)
    with pytest.raises(Unavailable):
        await reads.row("select 1")
    await owner.execute("select pg_advisory_unlock(1)")
    assert await busy
    assert await reads.row("select 1")
    await pool.close()


async def test_the_server_ends_a_read_before_its_client_takes_it_for_silent(
    database: Database,
) -> None:
    pool = await create_read_pool(database.url("auth"), size=1, session={"jit": "off"})
    row = await Reads(pool).row(
        "select setting::int as ms, current_setting('jit') as jit from pg_settings"
        " where name = 'statement_timeout'"
    )
    assert row is not None
    assert row["ms"] < QUICK_SECONDS * 1000
    assert row["jit"] == "off"
    await pool.close()


async def test_what_the_server_cancels_is_not_asked_again(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("select pg_advisory_lock(1)")
    pool = await create_read_pool(database.url("auth"), size=1)
    reading = asyncio.create_task(Reads(pool).row(LOCKED))
    assert await owner.fetchval("select pg_cancel_backend($1)", await waiting_session(owner))
    with pytest.raises(asyncpg.QueryCanceledError) as ended:
        await reading
    assert is_outage(ended.value)
    await pool.close()


async def test_json_is_decoded(database: Database) -> None:
    async with opened(database.url("auth")) as pool:
        row = await Reads(pool).row(
            """select '{"a": [1, 2.5]}'::jsonb as value, $1::jsonb as echo""", [3]
        )
        assert row is not None
        assert row["value"] == {"a": [1, 2.5]}
        assert row["echo"] == [3]
