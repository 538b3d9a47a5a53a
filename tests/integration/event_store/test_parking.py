"""Parked events: shown, applied again in order after a fix, or given up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts import EmailChanged, PasswordChanged, new_id, stream_id
from shared.database.connect import create_engine
from shared.event_store.memory import MemoryEventStore
from shared.event_store.projections.parking import (
    drop_parked,
    heal,
    list_parked,
    redrive,
    show_parked,
)
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.store import Metadata, NewEvent, SequencedEvent, Unreadable
from tests.support.databases import Database
from tests.support.wait import eventually

SCHEMA = """
create schema sample;
create table sample.checkpoints (name text primary key, position bigint not null);
create table sample.parked_events (projection text, position bigint, stream_id text not null,
    reason text not null, parked_at timestamptz not null default clock_timestamp(),
    primary key (projection, position));
create table sample.seen (entity text not null, position int not null,
    place int generated always as identity);
grant all on schema sample to cinelog_catalog;
grant all on all tables in schema sample to cinelog_catalog;
"""


class Seeing:
    """Writes down what it applies; refuses the positions in ``poison``."""

    name = "seen"

    def __init__(self, *poison: int) -> None:
        self.poison = set(poison)
        self.error: Exception = ValueError("not this one")
        self.refused = 0

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        for event in events:
            await connection.execute(
                text("insert into sample.seen values (:entity, :position)"),
                {"entity": event.stream_id.partition("-")[2], "position": event.position},
            )
            if event.position in self.poison:
                self.refused += 1
                raise self.error


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(SCHEMA)
    await owner.close()
    engine = create_engine(database.url("catalog"), size=3)
    yield engine
    await engine.dispose()


class Scene:
    """A log of two entities with two streams each, in turns, and a runner over it."""

    def __init__(self, engine: AsyncEngine, *poison: int) -> None:
        self.engine = engine
        self.store = MemoryEventStore()
        self.projection = Seeing(*poison)
        self.first, self.second = new_id(), new_id()
        self._task: asyncio.Task[None] | None = None
        self.runner = self.new_runner()

    def new_runner(self) -> ProjectionRunner:
        return ProjectionRunner(
            self.engine, self.store, self.projection, "sample", poll_seconds=0.02
        )

    async def write(self, rounds: int) -> None:
        """Four events a round: upload and video of the first entity, then of the second."""
        for _ in range(rounds):
            for entity in (self.first, self.second):
                for category in ("upload", "video"):
                    stream = stream_id(category, entity)
                    version = len(await self.store.read_stream(stream))
                    event = EmailChanged(user_id=entity)
                    await self.store.append(stream, version, [NewEvent(event)], Metadata())

    async def follow(self) -> None:
        """Let the runner apply all there is."""
        head = await self.store.head()
        if self._task is None:
            self._task = asyncio.create_task(self.runner.run())
        await eventually(lambda: self.runner.position == head)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def seen(self, entity: str) -> list[int]:
        async with self.engine.connect() as connection:
            found = await connection.execute(
                text("select position from sample.seen where entity = :entity order by place"),
                {"entity": entity},
            )
            return list(found.scalars())

    async def parked(self) -> list[int]:
        async with self.engine.connect() as connection:
            return [event.position for event in await list_parked(connection, "sample", "seen")]


async def test_an_entitys_later_events_wait_whatever_their_stream(engine: AsyncEngine) -> None:
    scene = Scene(engine, 2)
    await scene.write(3)
    await scene.follow()
    await scene.stop()
    assert await scene.seen(scene.first) == [1]
    assert await scene.seen(scene.second) == [3, 4, 7, 8, 11, 12]
    assert await scene.parked() == [2, 5, 6, 9, 10]


async def test_after_a_fix_they_are_applied_in_order_beside_a_running_projector(
    engine: AsyncEngine,
) -> None:
    scene = Scene(engine, 2)
    await scene.write(2)
    await scene.follow()
    scene.projection.poison.clear()
    tried: list[tuple[int, int]] = []

    done = await redrive(
        engine,
        scene.store,
        scene.projection,
        "sample",
        progress=lambda at, of: tried.append((at, of)),
    )

    assert (done.applied, done.left) == (3, 0)
    assert tried == [(0, 3), (3, 3)]
    assert await scene.seen(scene.first) == [1, 2, 5, 6]
    # The runner that parked them knows that the entity is free again.
    await scene.write(2)
    await scene.follow()
    await scene.stop()
    assert await scene.seen(scene.first) == [1, 2, 5, 6, 9, 10, 13, 14]
    assert await scene.parked() == []


async def test_what_fails_again_stays_and_says_why(engine: AsyncEngine) -> None:
    scene = Scene(engine, 2, 6)
    await scene.write(2)
    await scene.follow()
    await scene.stop()
    scene.projection.poison.discard(2)
    scene.projection.error = KeyError("still wrong")

    done = await redrive(engine, scene.store, scene.projection, "sample", entity=scene.first)

    assert (done.applied, done.left) == (2, 1)
    assert await scene.seen(scene.first) == [1, 2, 5]
    async with engine.connect() as connection:
        found = await show_parked(connection, scene.store, "sample", "seen", 6)
        assert await show_parked(connection, scene.store, "sample", "seen", 5) is None
    assert found is not None
    parked, event = found
    assert "still wrong" in parked.reason
    assert (event.position, event.stream_id) == (6, stream_id("video", scene.first))


async def test_another_entitys_events_are_left_alone(engine: AsyncEngine) -> None:
    scene = Scene(engine, 1, 3)
    await scene.write(1)
    await scene.follow()
    await scene.stop()
    scene.projection.poison.clear()
    done = await redrive(engine, scene.store, scene.projection, "sample", entity=scene.second)
    assert (done.applied, done.left) == (2, 0)
    assert await scene.parked() == [1, 2]


async def test_a_dropped_event_frees_those_behind_it(engine: AsyncEngine) -> None:
    scene = Scene(engine, 1)
    await scene.write(1)
    await scene.follow()
    assert await drop_parked(engine, "sample", "seen", 1)
    assert not await drop_parked(engine, "sample", "seen", 1)
    done = await redrive(engine, scene.store, scene.projection, "sample")
    assert (done.applied, done.left) == (1, 0)
    assert await scene.seen(scene.first) == [2]
    await scene.stop()


async def test_redriving_under_traffic_loses_nothing_and_keeps_the_order(
    engine: AsyncEngine,
) -> None:
    scene = Scene(engine, 2)
    await scene.write(1)
    await scene.follow()
    scene.projection.poison.clear()
    writing = True

    async def write() -> None:
        for _ in range(20):
            await scene.write(1)
            await scene.runner.offer(await scene.store.read_all(scene.runner.position, 1000))

    async def drive() -> None:
        while writing:
            await redrive(engine, scene.store, scene.projection, "sample")

    driving = asyncio.create_task(drive())
    await write()
    writing = False
    await driving
    await scene.follow()
    await redrive(engine, scene.store, scene.projection, "sample")
    await scene.stop()

    assert await scene.parked() == []
    for entity in (scene.first, scene.second):
        positions = await scene.seen(entity)
        assert positions == sorted(positions)
        assert len(positions) == 42


async def test_a_deadlock_or_a_full_disk_parks_nothing(engine: AsyncEngine) -> None:
    class Refused(Exception):
        sqlstate: Any = "53100"

    scene = Scene(engine, 1)
    scene.projection.error = DBAPIError("insert", {}, Refused("disk full"))
    await scene.store.append("user-x", 0, [NewEvent(PasswordChanged(user_id="x"))], Metadata())
    task = asyncio.create_task(scene.runner.run())
    await eventually(lambda: scene.projection.refused > 3)
    assert await scene.parked() == []
    scene.projection.poison.clear()
    await eventually(lambda: scene.runner.position == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await scene.parked() == []
    assert await scene.seen("x") == [1]


def rewrite(scene: Scene, *positions: int, readable: bool) -> None:
    """Let the log's events be such as this build can, or cannot, decode."""
    for position in positions:
        entity = scene.first if position % 4 in (1, 2) else scene.second
        data = EmailChanged(user_id=entity) if readable else Unreadable(reason="of a newer version")
        event = scene.store._log[position - 1]
        scene.store._log[position - 1] = msgspec.structs.replace(event, data=data)


async def test_a_build_that_can_decode_parked_events_applies_them_by_itself(
    engine: AsyncEngine,
) -> None:
    scene = Scene(engine)
    await scene.write(3)
    rewrite(scene, 2, 7, readable=False)
    await scene.follow()
    await scene.stop()
    assert await scene.parked() == [2, 5, 6, 7, 8, 9, 10, 11, 12]
    assert await scene.seen(scene.first) == [1]
    assert await scene.seen(scene.second) == [3, 4]
    # The same build again: nothing changes, and the metric says what waits.
    registry = CollectorRegistry()
    runner = ProjectionRunner(
        engine, scene.store, scene.projection, "sample", metrics=ProjectionMetrics(registry)
    )
    task = asyncio.create_task(runner.run())

    def waiting(cause: str) -> float | None:
        labels = {"projection": "sample.seen", "cause": cause}
        return registry.get_sample_value("cinelog_projection_parked_events", labels)

    await eventually(lambda: waiting("unreadable") == 2)
    assert (waiting("behind"), waiting("failed")) == (7, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # The next build decodes them: its first round applies all, without a hand.
    rewrite(scene, 2, 7, readable=True)
    task = asyncio.create_task(scene.new_runner().run())

    async def nothing_is_parked() -> bool:
        return await scene.parked() == []

    await eventually(nothing_is_parked)
    assert await scene.seen(scene.first) == [1, 2, 5, 6, 9, 10]
    assert await scene.seen(scene.second) == [3, 4, 7, 8, 11, 12]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_whose_application_failed_are_left_to_an_operator(
    engine: AsyncEngine,
) -> None:
    scene = Scene(engine, 3)
    await scene.write(2)
    # The second event of the failed one's entity waits behind it, although it became decodable.
    rewrite(scene, 2, 8, readable=False)
    await scene.follow()
    await scene.stop()
    rewrite(scene, 2, 8, readable=True)
    refused = scene.projection.refused
    assert await heal(engine, scene.store, scene.projection, "sample") == 3
    assert await scene.parked() == [3, 4, 7, 8]
    assert scene.projection.refused == refused


async def test_only_the_events_that_became_decodable_are_applied(engine: AsyncEngine) -> None:
    scene = Scene(engine)
    await scene.write(2)
    rewrite(scene, 1, 6, readable=False)
    await scene.follow()
    await scene.stop()
    rewrite(scene, 1, readable=True)
    # Position 5 comes before the one that still cannot be decoded.
    assert await heal(engine, scene.store, scene.projection, "sample") == 3
    assert await scene.seen(scene.first) == [1, 2, 5]
    assert await scene.parked() == [6]
    rewrite(scene, 6, readable=True)
    await heal(engine, scene.store, scene.projection, "sample")
    assert await scene.seen(scene.first) == [1, 2, 5, 6]
