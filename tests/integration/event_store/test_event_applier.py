"""Applying events to tables, step by step: who waits, what is parked, who is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts import EmailChanged, stream_id
from shared.database.connect import create_engine
from shared.event_store.memory import MemoryEventStore
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.event_applier import CheckpointMoved, EventApplier
from shared.event_store.projections.parking import list_parked
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.store import Metadata, NewEvent, SequencedEvent
from shared.loops.loops import Loops
from tests.integration.event_store.test_projection import SCHEMA
from tests.support.databases import Database
from tests.support.wait import eventually


class Seen:
    """Keeps what it was given; ``faults`` are raised by the next calls, None being none."""

    def __init__(self, name: str = "counts") -> None:
        self.name = name
        self.applied: list[int] = []
        self.faults: list[Exception | None] = []

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.applied += [event.position for event in events]


class Applier:
    """One applier, with what it reports."""

    def __init__(self, engine: AsyncEngine, projection: Seen) -> None:
        self.registry = CollectorRegistry()
        self.committed = 0
        self.events = EventApplier(
            engine, projection, "sample", ProjectionMetrics(self.registry), self._count
        )

    def _count(self) -> None:
        self.committed += 1

    async def apply(self, events: Sequence[SequencedEvent]) -> None:
        await self.events.apply(events, {})

    def parked(self) -> float | None:
        labels = {"projection": self.events.name}
        return self.registry.get_sample_value("cinelog_projection_parked_total", labels)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(SCHEMA)
    await owner.execute("alter table sample.parked_events add parked_at timestamptz default now()")
    await owner.close()
    engine = create_engine(database.url("catalog"), size=2)
    yield engine
    await engine.dispose()


async def log(*users: str) -> list[SequencedEvent]:
    """One event after the other, each of a user's stream."""
    store, versions = MemoryEventStore(), dict.fromkeys(users, 0)
    for user in users:
        event = [NewEvent(EmailChanged(user_id=user))]
        await store.append(stream_id("user", user), versions[user], event, Metadata())
        versions[user] += 1
    return await store.read_all(0, 100)


async def parked(engine: AsyncEngine, projection: str = "counts") -> list[int]:
    async with engine.connect() as connection:
        return [each.position for each in await list_parked(connection, "sample", projection)]


async def test_two_projections_of_one_schema_do_not_meet(engine: AsyncEngine) -> None:
    events = await log("a", "a", "b")
    bad, good = Seen("bad"), Seen("good")
    bad.faults = [ValueError("in a run"), ValueError("alone")]
    first, second = Applier(engine, bad), Applier(engine, good)
    await first.events.load()
    await first.apply(events)
    assert (bad.applied, await parked(engine, "bad")) == ([3], [1, 2])

    await second.events.load()
    assert second.events.position == 0
    await second.apply(events)
    assert (good.applied, await parked(engine, "good")) == ([1, 2, 3], [])
    again = Applier(engine, Seen("bad"))
    await again.events.load()
    assert again.events.position == 3


async def test_an_entity_waits_after_a_restart_too(engine: AsyncEngine) -> None:
    events = await log("a", "b", "a", "b")
    broken = Seen()
    broken.faults = [ValueError("in a run"), ValueError("alone")]
    first = Applier(engine, broken)
    await first.events.load()
    await first.apply(events[:2])
    assert (broken.applied, first.parked(), first.committed) == ([2], 1, 2)

    mended = Seen()
    second = Applier(engine, mended)
    await second.events.load()
    await second.apply(events[2:])
    assert (mended.applied, await parked(engine)) == ([4], [1, 3])
    assert (second.events.position, second.parked(), second.committed) == (4, 1, 2)


async def test_an_event_does_not_wait_behind_one_that_is_being_redriven(
    engine: AsyncEngine, database: Database
) -> None:
    events = await log("a", "a")
    projection = Seen()
    projection.faults = [ValueError("in a run"), ValueError("alone")]
    applier = Applier(engine, projection)
    await applier.events.load()
    await applier.apply(events[:1])
    assert await parked(engine) == [1]

    redrive = await asyncpg.connect(database.admin_url)
    watcher = await asyncpg.connect(database.admin_url)
    transaction = redrive.transaction()
    await transaction.start()
    await redrive.execute("select from sample.checkpoints for no key update")
    await redrive.execute("delete from sample.parked_events")
    following = asyncio.create_task(applier.apply(events[1:]))

    async def waits() -> bool:
        blocked = (
            "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))"
        )
        return bool(await watcher.fetchval(blocked, redrive.get_server_pid()))

    await eventually(waits)
    await transaction.commit()
    await following
    await redrive.close()
    await watcher.close()
    assert (projection.applied, await parked(engine)) == ([2], [])


async def test_an_outage_is_told_at_once_and_no_cause_is_sought(engine: AsyncEngine) -> None:
    projection = Seen()
    projection.faults = [ConnectionError("the network")]
    applier = Applier(engine, projection)
    await applier.events.load()
    with pytest.raises(ConnectionError):
        await applier.apply(await log("a", "b"))
    assert (applier.events.position, projection.applied, await parked(engine)) == (0, [], [])


async def test_an_outage_while_the_cause_is_sought_parks_nothing(engine: AsyncEngine) -> None:
    events = await log("a", "b")
    projection = Seen()
    projection.faults = [ValueError("in a run"), ConnectionError("the network")]
    applier = Applier(engine, projection)
    await applier.events.load()
    with pytest.raises(ConnectionError):
        await applier.apply(events)
    assert (applier.events.position, await parked(engine)) == (0, [])
    await applier.apply(events)
    assert projection.applied == [1, 2]


async def test_a_checkpoint_that_moves_while_the_cause_is_sought_fences(
    engine: AsyncEngine,
) -> None:
    moving: list[asyncio.Task[None]] = []

    async def move() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("update sample.checkpoints set position = 2"))

    async def waits() -> bool:
        async with engine.connect() as connection:
            found = await connection.execute(
                text(
                    "select count(*) from pg_stat_activity"
                    " where datname = current_database() and wait_event_type = 'Lock'"
                )
            )
            return found.scalar_one() > 0

    class Overtaken(Seen):
        """Another process waits for the checkpoint, and gets it when the run is rolled back."""

        async def apply(
            self, connection: AsyncConnection, events: Sequence[SequencedEvent]
        ) -> None:
            if len(events) > 1:
                moving.append(asyncio.create_task(move()))
                await eventually(waits)
                raise ValueError("in a run")
            await super().apply(connection, events)

    projection = Overtaken()
    applier = Applier(engine, projection)
    await applier.events.load()
    with pytest.raises(CheckpointMoved):
        await applier.apply(await log("a", "b"))
    await asyncio.gather(*moving)
    assert (projection.applied, await parked(engine)) == ([], [])


async def test_watchers_are_told_the_new_checkpoint(
    engine: AsyncEngine, database: Database
) -> None:
    told: list[Any] = []
    listener = await asyncpg.connect(database.url("catalog"))
    await listener.add_listener("sample.counts", lambda *given: told.append(given[3]))
    applier = Applier(engine, Seen())
    await applier.events.load()
    await applier.apply(await log("a", "b"))
    await eventually(lambda: told == ["2"])
    await listener.close()


async def test_a_watcher_of_what_was_never_written_or_stamped(
    engine: AsyncEngine, database: Database
) -> None:
    store = MemoryEventStore()
    async with watch_checkpoint(
        Loops(CollectorRegistry()), database.url("catalog"), store, "sample", "counts"
    ) as watcher:
        assert await watcher.position() == 0
        assert await watcher.wait_for_latest(timeout=0)
        assert not await watcher.wait_for_event("user-nobody", 1, timeout=0)
        await store.append("user-a", 0, [NewEvent(EmailChanged(user_id="a"))], Metadata())
        assert not await watcher.wait_for_latest(timeout=0)


async def test_a_watcher_leaves_no_listener_behind(engine: AsyncEngine, database: Database) -> None:
    before = asyncio.all_tasks()
    async with watch_checkpoint(
        Loops(CollectorRegistry()), database.url("catalog"), MemoryEventStore(), "sample", "counts"
    ):
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
