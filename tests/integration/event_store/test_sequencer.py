"""The global order has no gaps, whatever order transactions commit in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from shared.contracts import EmailChanged, new_id, stream_id
from shared.event_store import sequencer as sequencer_module
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from tests.integration.event_store.log_writers import INSERT, Connection, order
from tests.support.databases import Database
from tests.support.wait import eventually


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_event_store(database.url("auth")) as store:
        yield store


class Before:
    """The sequencer's connection, with something done before each of its statements."""

    def __init__(
        self, connection: Connection, act: Callable[[str, tuple[Any, ...]], Awaitable[None]]
    ) -> None:
        self._connection = connection
        self._act = act

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        await self._act(query, values)
        return await self._connection.fetch(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        await self._act(query, values)
        return await self._connection.fetchval(query, *values)


async def test_a_naive_reader_loses_what_commits_late_and_ours_does_not(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    sequencer = Sequencer(leader)
    await sequencer.load()
    transaction = slow.transaction()
    await transaction.start()
    late = await slow.fetchval(INSERT, "late")
    early = await fast.fetchval(INSERT, "early")
    assert late < early

    # The naive reader: everything above the highest number it has seen.
    naive_seen = await leader.fetchval("select max(seq) from log.events")
    assert await sequencer.stamp() == 1
    await transaction.commit()
    naive = await leader.fetch("select stream_id from log.events where seq > $1", naive_seen)
    assert naive == []

    assert await sequencer.stamp() == 1
    assert await order(leader) == ["early", "late"]


@pytest.mark.parametrize("others_write", [False, True])
async def test_a_number_is_kept_as_long_as_its_writer_runs(
    writers: tuple[Connection, Connection], leader: Connection, *, others_write: bool
) -> None:
    """The writer's transaction is younger than that of the event which shows its number missing."""
    slow, fast = writers
    sequencer = Sequencer(leader)
    await sequencer.load()
    early = fast.transaction()
    await early.start()
    await fast.fetchval("select pg_current_xact_id()")
    late = slow.transaction()
    await late.start()
    await slow.fetchval(INSERT, "late")
    await fast.fetchval(INSERT, "early")
    await early.commit()
    assert await sequencer.stamp() == 1
    for number in range(3):
        if others_write:
            await fast.fetchval(INSERT, f"other-{number}")
        await sequencer.stamp()
    await late.commit()
    await sequencer.stamp()
    assert (await order(leader))[-1] == "late"


async def test_a_rolled_back_number_is_forgotten_and_the_frontier_moves_on(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    sequencer = Sequencer(leader)
    await sequencer.load()
    transaction = slow.transaction()
    await transaction.start()
    await slow.fetchval(INSERT, "never")
    await fast.fetchval(INSERT, "a")
    await sequencer.stamp()
    await transaction.rollback()
    await sequencer.stamp()

    async def frontier_moves_on() -> bool:
        # A transaction anywhere on the server, as another test's may be, keeps the number alive.
        last = await fast.fetchval(INSERT, f"b-{new_id()}")
        await sequencer.stamp()
        frontier = "select value from log.relay where name = 'frontier'"
        return await leader.fetchval(frontier) == last

    await eventually(frontier_moves_on)
    streams = await order(leader)
    assert streams[0] == "a"
    assert "never" not in streams


async def test_an_owner_that_commits_while_it_is_looked_for_is_not_forgotten(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    transaction = slow.transaction()
    committed = False

    async def commit_at_last(query: str, _: tuple[Any, ...]) -> None:
        nonlocal committed
        if "xmin" in query and "log.events" not in query and not committed:
            committed = True
            await transaction.commit()

    sequencer = Sequencer(Before(leader, commit_at_last))  # pyright: ignore[reportArgumentType]
    await sequencer.load()
    await transaction.start()
    await slow.fetchval(INSERT, "late")
    await fast.fetchval(INSERT, "early")
    assert await sequencer.stamp() == 1
    # Nothing is found; the owner commits before it is asked which transactions still run.
    assert await sequencer.stamp() == 0
    assert committed
    assert await sequencer.stamp() == 1
    assert await order(leader) == ["early", "late"]


async def test_a_number_that_never_comes_is_looked_for_no_longer(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    asked: list[list[int]] = []

    async def note(query: str, values: tuple[Any, ...]) -> None:
        if "union all" in query:
            asked.append(values[1])

    sequencer = Sequencer(Before(leader, note))  # pyright: ignore[reportArgumentType]
    await sequencer.load()
    transaction = slow.transaction()
    await transaction.start()
    missing = await slow.fetchval(INSERT, "never")
    await fast.fetchval(INSERT, "a")
    await sequencer.stamp()
    await sequencer.stamp()
    assert asked[-1] == [missing]
    await transaction.rollback()

    async def asks_no_longer() -> bool:
        await sequencer.stamp()
        return asked[-1] == []

    await eventually(asks_no_longer)


async def test_a_number_that_never_comes_is_forgotten_under_load_too(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    """Where every pass finds new events, too."""
    sequencer = Sequencer(leader)
    await sequencer.load()
    await writers[0].execute("begin")
    await writers[0].fetchval(INSERT, "aborted")
    await writers[0].execute("rollback")

    async def frontier_moves_on() -> bool:
        # As above: another test's transaction keeps the number alive.
        last = await writers[1].fetchval(INSERT, f"other-{new_id()}")
        assert await sequencer.stamp() == 1
        frontier = "select value from log.relay where name = 'frontier'"
        return await leader.fetchval(frontier) == last

    await eventually(frontier_moves_on)


async def test_a_long_log_is_stamped_in_steps(
    writers: tuple[Connection, Connection], leader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "_MAX_EVENTS", 2)
    names = [f"{number}" for number in range(5)]
    for name in names:
        await writers[0].fetchval(INSERT, name)
    sequencer = Sequencer(leader)
    await sequencer.load()
    assert [await sequencer.stamp() for _ in range(4)] == [2, 2, 1, 0]
    assert sequencer.head == 5
    assert await order(leader) == names


async def test_writers_that_race_and_abort_lose_nothing(
    database: Database, leader: Connection, store: PostgresEventStore
) -> None:
    """Many writers, a third of them rolling back, some holding their transaction open."""
    pool = await asyncpg.create_pool(database.admin_url, min_size=8, max_size=8)
    sequencer = Sequencer(leader)
    await sequencer.load()
    committed: list[str] = []
    writing = True

    async def write(number: int) -> None:
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.fetchval(INSERT, f"s-{number}")
            for _ in range(number % 7):
                await connection.fetchval("select 1")
            if number % 3 == 0:
                await transaction.rollback()
            else:
                await transaction.commit()
                committed.append(f"s-{number}")

    async def sequence() -> None:
        while writing or await sequencer.stamp():
            await sequencer.stamp()

    reading = asyncio.create_task(sequence())
    await asyncio.gather(*(write(number) for number in range(600)))
    writing = False
    await reading
    await pool.close()
    assert sorted(await order(leader)) == sorted(committed)
    events = await leader.fetch("select position from log.positions order by position")
    assert [row[0] for row in events] == list(range(1, len(committed) + 1))


async def test_what_was_appended_after_an_acknowledgement_comes_after_it(
    store: PostgresEventStore, leader: Connection
) -> None:
    sequencer = Sequencer(leader)
    await sequencer.load()
    users = [new_id() for _ in range(50)]
    done = asyncio.Event()

    async def sequence() -> None:
        while not done.is_set():
            await sequencer.stamp()

    reading = asyncio.create_task(sequence())
    for user in users:
        await store.append(
            stream_id("user", user), 0, [NewEvent(EmailChanged(user_id=user))], Metadata()
        )
    done.set()
    await reading
    await sequencer.stamp()
    assert await order(leader) == [stream_id("user", user) for user in users]
