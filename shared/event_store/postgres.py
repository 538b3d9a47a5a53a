"""The event store on PostgreSQL."""

# ruff: noqa: S608 - the only text put into a statement is our own list of columns

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from shared.database.connect import QUICK_SECONDS, Silence, create_pool
from shared.database.metrics import watch_pool
from shared.database.reads import LOST
from shared.event_store.changes import count_changes
from shared.event_store.group_commit import GroupCommitter
from shared.event_store.log_metrics import LogMetrics
from shared.event_store.serialization import (
    EVENT_COLUMNS,
    Envelope,
    envelope_from_row,
    read_or_stand_in,
    recorded_from_row,
    sequenced_from_row,
    stream_from_rows,
)
from shared.event_store.store import Metadata, NewEvent, RecordedEvent, SequencedEvent
from shared.event_store.written import note_write
from shared.telemetry import child_span

_READ_STREAM = f"""
select {EVENT_COLUMNS}
from log.events e left join log.positions p using (seq)
where e.stream_id = $1 and e.version > $2
order by e.version
"""
_READ_LAST = """
select null::bigint as position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
       e.data::text, e.metadata::text, e.recorded_at
from log.events e
where e.stream_id = $1
order by e.version desc
limit 1
"""
_READ_STREAMS = """
select null::bigint as position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
       e.data::text, e.metadata::text, e.recorded_at
from log.events e
where e.stream_id = any($1::text[])
order by e.stream_id, e.version
"""
_READ_AFTER = """
select null::bigint as position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
       e.data::text, e.metadata::text, e.recorded_at
from unnest($1::text[], $2::int[]) as known(stream_id, version)
join log.events e on e.stream_id = known.stream_id and e.version > known.version
order by e.stream_id, e.version
"""
_READ_ALL = f"""
select {EVENT_COLUMNS}
from log.positions p join log.events e using (seq)
where p.position > $1
order by p.position
limit $2
"""
_READ_BETWEEN = """
select p.position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
       e.data::text, e.recorded_at
from log.positions p join log.events e using (seq)
where p.position > $1 and p.position <= $2 and e.type <> all($3::text[])
order by p.position
"""
# First the streams: there may be far more events between the positions.
_READ_HISTORY = f"""
with e as materialized (
    select * from log.events
    where stream_id = any($1::text[]) and type <> all($5::text[])
)
select {EVENT_COLUMNS}
from e join log.positions p using (seq)
where p.position > $2 and p.position <= $3
order by p.position
limit $4
"""
_NO_METADATA = Metadata()


class PostgresEventStore:
    """Reads with plain SQL, appends through group commit. Open it with ``open_event_store``."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", committer: GroupCommitter, metrics: LogMetrics
    ) -> None:
        self._pool = pool
        self._committer = committer
        self._metrics = metrics

    async def append(
        self,
        stream_id: str,
        expected_version: int,
        events: Sequence[NewEvent],
        metadata: Metadata,
    ) -> int:
        with self._metrics.appending(stream_id, len(events)):
            facts = [event.data for event in events]
            await count_changes(self._pool, metadata.actor, facts, datetime.now(UTC))
            version = await self._committer.append(stream_id, expected_version, events, metadata)
        note_write(stream_id, version)
        return version

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        with child_span("log read", {"log.stream": stream_id}):
            rows = await self._pool.fetch(_READ_STREAM, stream_id, after_version)
        return stream_from_rows(rows)

    async def read_streams(self, stream_ids: Sequence[str]) -> dict[str, list[RecordedEvent]]:
        streams: dict[str, list[RecordedEvent]] = {stream: [] for stream in stream_ids}
        for row in await self._pool.fetch(_READ_STREAMS, stream_ids):
            streams[row["stream_id"]].append(recorded_from_row(row))
        return streams

    async def read_after(self, versions: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        streams: dict[str, list[RecordedEvent]] = {}
        for row in await self._look_up(_READ_AFTER, [*versions], [*versions.values()]):
            streams.setdefault(row["stream_id"], []).append(recorded_from_row(row))
        return streams

    async def _look_up(self, query: str, *values: Any) -> Sequence[Any]:
        """The rows of a look into an index, which each request with a token begins with.

        Where its connection has ended or has gone silent, it is asked once more over a new one.
        """
        try:
            return await self._pool.fetch(query, *values, timeout=QUICK_SECONDS)
        except LOST:
            await self._pool.expire_connections()
            return await self._pool.fetch(query, *values, timeout=QUICK_SECONDS)

    async def read_all(self, after_position: int, limit: int) -> list[SequencedEvent]:
        rows = await self._pool.fetch(_READ_ALL, after_position, limit)
        return [sequenced_from_row(row) for row in rows]

    async def read_history(
        self,
        stream_ids: Sequence[str],
        after_position: int,
        last_position: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[SequencedEvent]:
        rows = await self._pool.fetch(
            _READ_HISTORY, stream_ids, after_position, last_position, limit, without
        )
        return [sequenced_from_row(row) for row in rows]

    async def read_between(
        self, after_position: int, last_position: int, without: Sequence[str]
    ) -> list[SequencedEvent]:
        """The events between two positions except those of the types ``without``.

        Metadata is left empty, because a rebuild does not use it.
        """
        rows = await self._pool.fetch(_READ_BETWEEN, after_position, last_position, without)
        return [_without_metadata(row) for row in rows]

    async def read_envelopes(self, after_position: int, limit: int) -> list[Envelope]:
        """Like ``read_all``, with undecoded data, for the relay."""
        rows = await self._pool.fetch(_READ_ALL, after_position, limit)
        return [envelope_from_row(row) for row in rows]

    async def head(self) -> int:
        return await self._pool.fetchval("select coalesce(max(position), 0) from log.positions")

    async def position_of(self, stream_id: str, version: int) -> int | None:
        return await self._pool.fetchval(
            "select p.position from log.events e join log.positions p using (seq) "
            "where e.stream_id = $1 and e.version = $2",
            stream_id,
            version,
        )

    async def last_of(self, stream_id: str) -> RecordedEvent | None:
        row = await self._pool.fetchrow(_READ_LAST, stream_id)
        return recorded_from_row(row) if row else None

    async def latest(self) -> tuple[str, int] | None:
        row = await self._pool.fetchrow(
            "select stream_id, version from log.events order by seq desc limit 1"
        )
        return (row["stream_id"], row["version"]) if row else None


def _without_metadata(row: Any) -> SequencedEvent:
    return SequencedEvent(
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        data=read_or_stand_in(row["type"], row["schema_version"], row["data"]),
        event_id=row["event_id"],
        metadata=_NO_METADATA,
        recorded_at=row["recorded_at"],
    )


@asynccontextmanager
async def open_event_store(
    url: str,
    *,
    connections: int = 6,
    registry: CollectorRegistry | None = None,
    silence: Silence | None = None,
) -> AsyncGenerator[PostgresEventStore]:
    """An event store at a ``postgresql://`` URL; closing it completes the pending appends.

    ``registry`` gets its metrics and those of its pool; ``silence`` is shared with other pools.
    """
    registry = registry or CollectorRegistry()
    pool = await create_pool(url, size=connections, silence=silence)
    watch_pool(registry, pool, "log")
    try:
        async with GroupCommitter(pool) as committer:
            yield PostgresEventStore(pool, committer, LogMetrics(registry))
    finally:
        await pool.close()
