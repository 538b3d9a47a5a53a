"""From append to visible in a read model, through relay, RabbitMQ and projection."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.read_model.projections import Library
from shared.contracts import TranscodeProgressed, new_id, stream_id
from shared.database.connect import create_engine
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.store import EventStore, Metadata, NewEvent, SequencedEvent
from shared.loops.cancellation import end
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from shared.messaging.broker import connected, create_broker
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.relay import Relay, RelayMetrics
from shared.messaging.topology import declare, projection_queue

TABLES = """
create schema bench;
create table bench.checkpoints (name text primary key, position bigint not null);
create table bench.parked_events (projection text, position bigint, stream_id text not null,
    reason text not null, primary key (projection, position));
create table bench.progress (stream_id text primary key, version int not null, percent real);
"""
VERSIONS = 20
UPSERT = text(
    "insert into bench.progress select * from"
    " unnest(cast(:streams as text[]), cast(:versions as int[]), cast(:percents as real[]))"
    " on conflict (stream_id) do update set version = excluded.version,"
    " percent = excluded.percent"
)


class ProgressProjection:
    """The newest progress of each stream: a batch folds to one row per stream."""

    name = "progress"

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        newest = {event.stream_id: event for event in events}
        await connection.execute(
            UPSERT,
            {
                "streams": list(newest),
                "versions": [event.version for event in newest.values()],
                "percents": [getattr(event.data, "percent", 0.0) for event in newest.values()],
            },
        )


class HeardFirst:
    """The log as a projection sees it that waits for its first message.

    A projection catches up from the log, faster than any broker; here the messages are measured.
    ``read`` counts the events that it fetched itself all the same, after a gap.
    """

    def __init__(self, store: PostgresEventStore) -> None:
        self._store = store
        self.read = 0

    async def read_all(self, after_position: int, limit: int) -> list[SequencedEvent]:
        if after_position == 0:
            return []
        events = await self._store.read_all(after_position, limit)
        self.read += len(events)
        return events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@asynccontextmanager
async def pipeline(
    url: str, amqp_url: str, projection: Projection | None = None, schema: str = "catalog"
) -> AsyncGenerator[tuple[ProjectionRunner, HeardFirst]]:
    """Relay and a projection of ``schema``; without one, a small one in a schema of its own."""
    if projection is None:
        projection, schema = ProgressProjection(), "bench"
        owner = await asyncpg.connect(url)
        await owner.execute(TABLES)
        await owner.close()
    engine = create_engine(url, size=2)
    relay_broker, broker = create_broker(amqp_url), create_broker(amqp_url)
    queue = projection_queue(schema, projection.name)
    async with open_event_store(url) as store, connected(broker):
        heard: Any = HeardFirst(store)
        runner = ProjectionRunner(engine, heard, projection, schema)
        await declare(broker, queue)
        subscribe(broker, queue, runner, MessageMetrics(CollectorRegistry()))
        await broker.start()
        await relay_broker.connect()
        registry = CollectorRegistry()
        loops = Loops(registry)
        relay = Relay(store, relay_broker, url, RelayMetrics(registry), loops)
        tasks = [
            asyncio.create_task(runner.run()),
            asyncio.create_task(loops.lead(Leader.RELAY, url, relay.run, heartbeat=False)),
        ]
        try:
            yield runner, heard
        finally:
            await end(tasks)
            await relay_broker.stop()
            await engine.dispose()


async def latencies(url: str, amqp_url: str, *, rate: int, events: int) -> list[float]:
    """Milliseconds from each append's call until its event's checkpoint is committed."""
    appended: list[float] = []
    seen: list[float] = []
    async with pipeline(url, amqp_url) as (runner, _), open_event_store(url) as store:
        await _append_one(store)
        await _reached(runner, 1)

        async def watch() -> None:
            while len(seen) < events:
                while len(seen) < min(runner.position - 1, events):
                    seen.append(time.perf_counter())
                await asyncio.sleep(0.0005)

        watching = asyncio.create_task(watch())
        started = time.perf_counter()
        for number in range(events):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            appended.append(time.perf_counter())
            await _append_one(store)
        await watching
    return [(end - begin) * 1000 for begin, end in zip(appended, seen, strict=True)]


async def _append_one(store: EventStore) -> None:
    video = new_id()
    event = TranscodeProgressed(video_id=video, attempt=1, percent=1.0, stage="encoding")
    await store.append(stream_id("transcode", video), 0, [NewEvent(event)], Metadata())


async def _reached(runner: ProjectionRunner, position: int) -> None:
    while True:
        if runner.position >= position:
            return
        await asyncio.sleep(0.005)


async def throughput(url: str, amqp_url: str, *, events: int) -> tuple[float, float]:
    """Events per second when a backlog of ``events`` goes through relay, broker, projection; and
    the share of them that the projection read from the log instead."""
    async with open_event_store(url) as store:
        metadata = Metadata()
        streams = [new_id() for _ in range(events // VERSIONS)]

        async def fill(video: str) -> None:
            for version in range(VERSIONS):
                event = TranscodeProgressed(
                    video_id=video, attempt=1, percent=version, stage="encoding"
                )
                name = stream_id("transcode", video)
                await store.append(name, version, [NewEvent(event)], metadata)

        await asyncio.gather(*(fill(video) for video in streams))
    started = time.perf_counter()
    async with pipeline(url, amqp_url) as (runner, heard):
        await _reached(runner, events)
        return events / (time.perf_counter() - started), heard.read / events


async def catalog_throughput(url: str, amqp_url: str, *, events: int) -> tuple[float, float]:
    """The same of the catalog's own projection, over a log that ``history`` has filled."""
    started = time.perf_counter()
    async with pipeline(url, amqp_url, Library(), "catalog") as (runner, heard):
        await _reached(runner, events)
        return events / (time.perf_counter() - started), heard.read / events
