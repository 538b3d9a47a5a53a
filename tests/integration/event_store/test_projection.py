"""A projection takes effect exactly once, whatever the messages do."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts import EmailChanged, new_id, stream_id
from shared.database.connect import create_engine
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.event_applier import CheckpointMoved
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent, SequencedEvent, UnreadableStream
from shared.loops.leadership import LeadershipLost, lead_once
from shared.loops.loops import Loops
from tests.support.databases import Database
from tests.support.wait import eventually

SCHEMA = """
create schema sample;
create table sample.checkpoints (name text primary key, position bigint not null);
create table sample.parked_events (projection text, position bigint, stream_id text not null,
    reason text not null, primary key (projection, position));
create table sample.counts (stream_id text primary key, events int not null, last int not null);
grant all on schema sample to cinelog_catalog;
grant all on all tables in schema sample to cinelog_catalog;
"""


class Counting:
    """Counts a stream's events, and notices one that comes out of order."""

    name = "counts"

    def __init__(self, poison: str | None = None) -> None:
        self.poison = poison

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        for event in events:
            if event.stream_id == self.poison and event.version == 2:
                raise ValueError("cannot apply this")
            await connection.execute(
                text(
                    "insert into sample.counts values (:stream, 1, :version)"
                    " on conflict (stream_id) do update set events = sample.counts.events + 1,"
                    " last = case when sample.counts.last = excluded.last - 1"
                    " then excluded.last else -1000 end"
                ),
                {"stream": event.stream_id, "version": event.version},
            )


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(SCHEMA)
    await owner.close()
    engine = create_engine(database.url("catalog"), size=2)
    yield engine
    await engine.dispose()


async def filled(streams: int, versions: int) -> MemoryEventStore:
    store = MemoryEventStore()
    names = [stream_id("user", new_id()) for _ in range(streams)]
    for version in range(versions):
        for name in names:
            await store.append(name, version, [NewEvent(EmailChanged(user_id="u"))], Metadata())
    return store


@asynccontextmanager
async def running(runner: ProjectionRunner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def counts(engine: AsyncEngine) -> list[tuple[str, int, int]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("select * from sample.counts order by 1"))
        return [tuple(row) for row in rows]


def runner_of(
    engine: AsyncEngine, store: MemoryEventStore, projection: Counting | None = None
) -> ProjectionRunner:
    return ProjectionRunner(
        engine, store, projection or Counting(), "sample", batch=7, poll_seconds=0.05
    )


async def test_it_catches_up_from_the_log_with_no_broker_at_all(engine: AsyncEngine) -> None:
    store = await filled(streams=5, versions=4)
    runner = runner_of(engine, store)
    async with running(runner):
        await eventually(lambda: runner.position == 20)
    assert [row[1:] for row in await counts(engine)] == [(4, 4)] * 5


@pytest.mark.parametrize("seed", range(5))
async def test_duplicates_disorder_and_loss_change_nothing(engine: AsyncEngine, seed: int) -> None:
    chance = random.Random(seed)
    store = await filled(streams=4, versions=10)
    events = await store.read_all(0, 1000)
    hints = [chance.sample(events, chance.randint(1, 9)) for _ in range(30)]
    runner = runner_of(engine, store)
    async with running(runner):
        await asyncio.gather(*(runner.offer(hint) for hint in hints))
        await eventually(lambda: runner.position == 40)
    assert [row[1:] for row in await counts(engine)] == [(10, 10)] * 4


async def test_an_offer_returns_once_the_checkpoint_is_past_it(engine: AsyncEngine) -> None:
    store = await filled(streams=1, versions=3)
    runner = runner_of(engine, store)
    async with running(runner):
        await runner.offer(await store.read_all(2, 1))
        assert runner.position == 3


async def test_an_offer_during_an_outage_is_refused_and_nothing_is_lost(
    engine: AsyncEngine, database: Database
) -> None:
    store = await filled(streams=1, versions=3)
    first, *rest = await store.read_all(0, 10)
    seen = MemoryEventStore()
    await seen.append(first.stream_id, 0, [NewEvent(first.data)], Metadata())
    runner = ProjectionRunner(engine, seen, Counting(), "sample", batch=7, poll_seconds=0.05)
    async with running(runner):
        await eventually(lambda: runner.position == 1)
        async with database.outage():
            for event in rest:
                with pytest.raises(ConnectionError):
                    await runner.offer([event])
        await runner.offer(rest)
        assert runner.position == 3
    assert [row[1:] for row in await counts(engine)] == [(3, 3)]


async def test_a_poison_event_is_parked_and_only_its_stream_waits(engine: AsyncEngine) -> None:
    store = await filled(streams=3, versions=3)
    poisoned = (await store.read_all(0, 1))[0].stream_id
    runner = runner_of(engine, store, Counting(poison=poisoned))
    async with running(runner):
        await eventually(lambda: runner.position == 9)
    assert sorted(row[1] for row in await counts(engine)) == [1, 3, 3]
    async with engine.connect() as connection:
        parked = (
            await connection.execute(
                text("select stream_id, reason from sample.parked_events order by position")
            )
        ).all()
    assert [row[0] for row in parked] == [poisoned, poisoned]
    assert "cannot apply this" in parked[0][1]


async def test_an_event_that_this_build_cannot_read_is_parked(
    engine: AsyncEngine, database: Database
) -> None:
    writer = await asyncpg.connect(database.admin_url)
    relay = await asyncpg.connect(database.url("relay"))
    for stream, version, kind in (
        ("a", 1, "EmailChanged"),
        ("b", 1, "FromTheFuture"),
        ("b", 2, "EmailChanged"),
        ("c", 1, "EmailChanged"),
    ):
        await writer.execute(
            "insert into log.events"
            " (stream_id, version, event_id, type, schema_version, data, metadata)"
            " values ($1, $2, gen_random_uuid(), $3, 1, jsonb_build_object('user_id', $1::text),"
            " '{}')",
            stream,
            version,
            kind,
        )
    sequencer = Sequencer(relay)
    await sequencer.load()
    await sequencer.stamp()
    await writer.close()
    await relay.close()
    async with open_event_store(database.url("catalog")) as store:
        runner = ProjectionRunner(engine, store, Counting(), "sample", poll_seconds=0.05)
        async with running(runner):
            await eventually(lambda: runner.position == 4)
        assert [row[0] for row in await counts(engine)] == ["a", "c"]
        with pytest.raises(UnreadableStream, match="b version 1"):
            await store.read_stream("b")


async def test_a_second_runner_is_fenced_off(engine: AsyncEngine) -> None:
    store = await filled(streams=1, versions=1)
    first, second = runner_of(engine, store), runner_of(engine, store)
    async with running(first):
        await eventually(lambda: first.position == 1)
        async with running(second):
            await eventually(lambda: second.position == 1)
        name = (await store.read_all(0, 1))[0].stream_id
        await store.append(name, 1, [NewEvent(EmailChanged(user_id="u"))], Metadata())
        await eventually(lambda: first.position == 2)
        second._applier.position = 1
        with pytest.raises(CheckpointMoved):
            await second.catch_up()
    assert [row[1:] for row in await counts(engine)] == [(2, 2)]


async def test_a_runner_ends_where_another_has_moved_its_checkpoint(engine: AsyncEngine) -> None:
    store = await filled(streams=1, versions=1)
    runner = runner_of(engine, store)
    running_task = asyncio.create_task(runner.run())
    await eventually(lambda: runner.position == 1)
    async with engine.begin() as connection:
        await connection.execute(text("update sample.checkpoints set position = 2"))
    name = (await store.read_all(0, 1))[0].stream_id
    await store.append(name, 1, [NewEvent(EmailChanged(user_id="u"))], Metadata())
    with pytest.raises(CheckpointMoved):
        async with asyncio.timeout(20):
            await running_task


async def test_a_watcher_waits_until_its_event_is_visible(
    engine: AsyncEngine, database: Database
) -> None:
    store = await filled(streams=1, versions=2)
    stream = (await store.read_all(0, 1))[0].stream_id
    async with watch_checkpoint(
        Loops(CollectorRegistry()), database.url("catalog"), store, "sample", "counts"
    ) as watcher:
        assert not await watcher.wait_for_event(stream, 2, timeout=0)
        waiting = asyncio.create_task(watcher.wait_for_event(stream, 2, timeout=20))
        async with running(runner_of(engine, store)):
            assert await waiting
        assert await watcher.wait_for_latest(timeout=20)


async def test_leadership_passes_on_when_the_leader_dies(database: Database) -> None:
    url = database.url("catalog")
    order: list[str] = []
    first_leads = asyncio.Event()

    async def lead(name: str, *, until_lost: bool) -> None:
        async def body(_connection: object) -> None:
            order.append(name)
            first_leads.set()
            if until_lost:
                await asyncio.Event().wait()

        await lead_once(url, "test", body)

    first = asyncio.create_task(lead("first", until_lost=True))
    await first_leads.wait()
    second = asyncio.create_task(lead("second", until_lost=False))
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_locks"
        " where locktype = 'advisory' and granted and database ="
        " (select oid from pg_database where datname = current_database())"
    )
    await owner.close()
    with pytest.raises(LeadershipLost):
        await first
    await second
    assert order == ["first", "second"]


async def test_closing_the_store_finishes_what_is_under_way(database: Database) -> None:
    names = [stream_id("user", new_id()) for _ in range(20)]
    async with open_event_store(database.url("auth")) as store:
        appends = [
            asyncio.create_task(
                store.append(name, 0, [NewEvent(EmailChanged(user_id="u"))], Metadata())
            )
            for name in names
        ]
        await eventually(lambda: any(task.done() for task in appends))
    assert await asyncio.gather(*appends) == [1] * 20
