"""A database that goes silent without closing its connections: every wait ends, and work goes on
as soon as it answers again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.contracts import EmailChanged, new_id, stream_id
from shared.database.connect import (
    ANSWER_SECONDS,
    PING_SECONDS,
    Silence,
    create_engine,
    create_pool,
)
from shared.database.connection import PARTING_SECONDS
from shared.database_sessions import POOLED_SECONDS
from shared.event_store import postgres
from shared.event_store.group_commit import GroupCommitter
from shared.event_store.projections.projection_tables import is_transient
from shared.event_store.store import Metadata, NewEvent
from shared.outages import is_outage
from tests.support.databases import Database
from tests.support.network import network
from tests.support.road import Road
from tests.support.wait import eventually

SECONDS = 0.5

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Work: TypeAlias = Callable[[AsyncEngine, Pool], Coroutine[Any, Any, None]]


@pytest.fixture
async def road(database: Database) -> AsyncIterator[Road]:
    road = Road(database.url("auth"))
    await road.open()
    yield road
    await road.close()


@pytest.fixture
async def engine(road: Road) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(road.url, size=3, answer_seconds=SECONDS)
    yield engine
    await engine.dispose()


async def ask(engine: AsyncEngine, statement: str = "select 1") -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def test_idle_connections_that_went_silent_are_replaced_together(
    road: Road, engine: AsyncEngine
) -> None:
    await asyncio.gather(*(ask(engine, "select pg_sleep(0.1)") for _ in range(3)))
    road.mute()
    (silent,) = await asyncio.gather(ask(engine), return_exceptions=True)
    assert isinstance(silent, Exception)
    assert is_outage(silent)
    # Those that were open stay silent for ever: new ones take their place, all at once.
    await road.close()
    road.unmute()
    await road.open()
    async with asyncio.timeout(5):
        await asyncio.gather(*(ask(engine) for _ in range(3)))


async def test_a_statement_under_way_ends_with_an_error(road: Road, engine: AsyncEngine) -> None:
    waiting = asyncio.create_task(ask(engine, "select pg_sleep(0.2)"))
    await eventually(lambda: engine.pool.checkedout() == 1)  # type: ignore[attr-defined]
    road.mute()
    async with asyncio.timeout(20):
        with pytest.raises((TimeoutError, OSError)):
            await waiting
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def _in_statement(engine: AsyncEngine, pool: Pool) -> None:
    await ask(engine, "select pg_sleep(60)")


async def _between_two(engine: AsyncEngine, pool: Pool) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("select 1"))
        await asyncio.Event().wait()


async def _in_statement_of_pool(engine: AsyncEngine, pool: Pool) -> None:
    await pool.fetchval("select pg_sleep(60)")


async def _in_transaction_of_pool(engine: AsyncEngine, pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval("select pg_sleep(60)")


async def _between_two_of_pool(engine: AsyncEngine, pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval("select 1")
        await asyncio.Event().wait()


async def _at_the_end(engine: AsyncEngine, pool: Pool) -> None:
    await pool.fetchval("select 1")
    await ask(engine)
    try:
        await asyncio.Event().wait()
    finally:
        await pool.close()
        await engine.dispose()


@pytest.mark.parametrize(
    ("work", "state", "sessions"),
    [
        (_in_statement, "active", 1),
        (_between_two, "idle in transaction", 1),
        (_in_statement_of_pool, "active", 1),
        (_in_transaction_of_pool, "active", 1),
        (_between_two_of_pool, "idle in transaction", 1),
        (_at_the_end, "idle", 2),
    ],
)
async def test_who_is_asked_to_end_does_not_wait_for_a_silent_server(
    road: Road, database: Database, work: Work, state: str, sessions: int
) -> None:
    """A leader that has lost its lock gives way before the time of its statement is over."""
    owner = await asyncpg.connect(database.admin_url)
    engine, pool = create_engine(road.url, size=1), await create_pool(road.url, size=1)
    working = asyncio.create_task(work(engine, pool))

    async def at_work() -> bool:
        found = await owner.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and state = $1 and query !~ '^(BEGIN|set)'",
            state,
        )
        return found == sessions

    await eventually(at_work)
    road.mute()
    working.cancel()
    ended, _ = await asyncio.wait({working}, timeout=ANSWER_SECONDS - PARTING_SECONDS)
    assert ended
    pool.terminate()
    await engine.dispose()
    await owner.close()


@pytest.mark.parametrize("begin", [False, True], ids=["alone", "in a transaction"])
async def test_a_cancelled_statement_costs_no_connection(database: Database, begin: bool) -> None:
    pool = await create_pool(database.url("auth"), size=1)
    session = await pool.fetchval("select pg_backend_pid()")

    async def wait_long() -> None:
        async with asyncio.timeout(0.1), pool.acquire() as connection, AsyncExitStack() as stack:
            if begin:
                await stack.enter_async_context(connection.transaction())
            await connection.fetchval("select pg_sleep(60)")

    with pytest.raises(TimeoutError):
        await wait_long()
    assert await pool.fetchval("select pg_backend_pid()") == session
    await pool.close()


async def test_a_transaction_that_was_cut_off_without_a_word_gives_its_locks_back(
    database: Database,
) -> None:
    """The server does not learn that the connection ended, and the row stays locked."""
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute("create table public.rows (id int); insert into public.rows values (1)")
    await owner.execute("grant select, update on public.rows to public")
    locking = "select * from public.rows for update"
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        engine = create_engine(roads.over(database.url("auth")), size=1, answer_seconds=SECONDS)
        async with engine.connect() as connection:
            await connection.execute(text(locking))
            roads.roads["postgres"].mute()
            with pytest.raises((TimeoutError, OSError, DBAPIError)):
                await connection.execute(text(locking))
        # A client that is gone has not said so.
        async with asyncio.timeout(25):
            assert await owner.fetch(locking)
        await engine.dispose()
    await owner.close()


async def test_the_server_ends_unused_sessions_after_the_pool_has_closed_them(
    database: Database,
) -> None:
    """Sessions of lost connections would fill the server."""
    limits = "select setting::int from pg_settings where name = 'idle_session_timeout'"
    engine = create_engine(database.url("auth"))
    async with engine.connect() as connection:
        of_engine = (await connection.execute(text(limits))).scalar_one()
    await engine.dispose()
    pool = await create_pool(database.url("auth"))
    of_pool = await pool.fetchval(limits)
    await pool.close()
    assert of_engine == of_pool == 60_000
    assert of_pool > POOLED_SECONDS * 1000


async def test_the_server_ends_long_transactions_of_services_only(database: Database) -> None:
    """As those that went silent in the middle of a statement."""
    show = "show transaction_timeout"
    pool = await create_pool(database.url("auth"), size=1)
    try:
        assert await pool.fetchval(show) == "30s"
    finally:
        await pool.close()
    for answer_seconds, expected in ((SECONDS, "30s"), (None, "0")):
        engine = create_engine(database.url("auth"), size=1, answer_seconds=answer_seconds)
        async with engine.begin() as connection:
            assert (await connection.execute(text(show))).scalar_one() == expected
        await engine.dispose()


@pytest.mark.parametrize("idle", [False, True], ids=["in a statement", "between two"])
async def test_a_transaction_that_the_server_ended_is_nobodys_fault(
    database: Database, idle: bool
) -> None:
    """No event is parked for it, and what was asked for is tried again."""
    engine = create_engine(database.url("auth"), size=1)
    owner = await asyncpg.connect(database.admin_url)

    async def is_gone(session: int) -> bool:
        found = "select count(*) from pg_stat_activity where pid = $1"
        return await owner.fetchval(found, session) == 0

    async def work() -> None:
        async with engine.begin() as connection:
            session = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
            if idle:
                await eventually(lambda: is_gone(session))
            await connection.execute(text("select pg_sleep(10)"))

    await ask(engine, "set transaction_timeout = '200ms'")
    with pytest.raises(DBAPIError) as ended:
        await work()
    await engine.dispose()
    await owner.close()
    assert is_outage(ended.value)
    assert is_transient(ended.value)


async def test_a_connection_that_is_silent_speaks_for_all_pools_of_its_process(
    database: Database,
) -> None:
    """Otherwise each of their connections is waited for in turn."""
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        url, silence = roads.over(database.url("auth")), Silence()
        engine = create_engine(url, size=1, answer_seconds=SECONDS, silence=silence)
        pools = [await create_pool(url, size=2, silence=silence) for _ in range(2)]
        await ask(engine)
        for pool in pools:
            await asyncio.gather(*(pool.fetchval("select pg_sleep(0.1)") for _ in range(2)))
        assert roads.roads["postgres"].mute() == 5
        # The silent connection is found when it is taken, and another one is opened in its place.
        async with asyncio.timeout(20):
            await ask(engine)
        async with asyncio.timeout(5):
            for pool in pools:
                await asyncio.gather(*(pool.fetchval("select pg_sleep(0.1)") for _ in range(2)))
        for pool in pools:
            pool.terminate()
        await engine.dispose()


async def test_engines_do_not_ask_connections_that_are_as_old_as_a_silent_one(
    database: Database,
) -> None:
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        silence = Silence()
        engine = create_engine(roads.over(database.url("auth")), size=2, silence=silence)
        await ask(engine)
        assert roads.roads["postgres"].mute() == 1
        # As a leader's session has found out.
        silence.found()
        async with asyncio.timeout(PING_SECONDS - 1):
            await ask(engine)
            await ask(engine)
        await engine.dispose()


async def test_appends_end_with_an_error_and_go_on_afterwards(road: Road) -> None:
    pool = await create_pool(road.url, size=2, answer_seconds=SECONDS)

    def append(committer: GroupCommitter) -> asyncio.Task[int]:
        user = new_id()
        events = [NewEvent(EmailChanged(user_id=user))]
        return asyncio.create_task(committer.append(stream_id("user", user), 0, events, Metadata()))

    try:
        async with GroupCommitter(pool) as committer:
            assert await append(committer) == 1
            road.mute()
            lost = [append(committer) for _ in range(5)]
            async with asyncio.timeout(20):
                outcomes = await asyncio.gather(*lost, return_exceptions=True)
            assert all(isinstance(outcome, OSError) for outcome in outcomes), outcomes
            road.unmute()
            async with asyncio.timeout(20):
                assert await append(committer) == 1
    finally:
        pool.terminate()


async def test_what_each_request_begins_with_is_asked_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose session is open is read of the log: a silent connection must refuse no request."""
    monkeypatch.setattr(postgres, "QUICK_SECONDS", SECONDS)
    user = stream_id("user", new_id())
    with network({"postgres": urlsplit(database.admin_url).port or 0}) as roads:
        async with postgres.open_event_store(roads.over(database.url("auth"))) as log:
            assert await log.read_after({user: 0}) == {}
            assert roads.roads["postgres"].mute() == 1
            assert await log.read_after({user: 0}) == {}
