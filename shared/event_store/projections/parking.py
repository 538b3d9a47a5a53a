"""Lists, redrives and drops parked events.

A parked event is one whose application failed, or that this build could not decode. Later events
of the same entity, in any of its streams, are parked, too; events of other entities are applied.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, get_args

import msgspec
from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts import Category, stream_id
from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.fold_marks import FoldMarks
from shared.event_store.projections.fold_runs import Range
from shared.event_store.projections.projection_tables import (
    PARKED_CAUSES,
    UNREADABLE,
    cause_of,
    checkpoints_of,
    is_transient,
    lock_checkpoint,
    parked_of,
    partition,
    reason_of,
)
from shared.event_store.projections.refold import Refoldable
from shared.event_store.store import EventStore, SequencedEvent, Unreadable


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A parked event; ``reason`` is for people."""

    projection: str
    position: int
    stream_id: str
    reason: str
    parked_at: datetime


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """``applied`` events were applied; ``left`` events are still parked."""

    applied: int
    left: int


Progress = Callable[[int, int], None]
"""Called with the number of events tried, and their total."""


async def list_parked(
    connection: AsyncConnection,
    schema: str,
    projection: str,
    *,
    after: int = 0,
    limit: int = 100,
) -> list[ParkedEvent]:
    """The parked events of a projection after a position, in order."""
    parked = parked_of(schema)
    found = await connection.execute(
        select(parked)
        .where(parked.c.projection == projection, parked.c.position > after)
        .order_by(parked.c.position)
        .limit(limit)
    )
    return [
        ParkedEvent(
            projection=row.projection,
            position=row.position,
            stream_id=row.stream_id,
            reason=row.reason,
            parked_at=row.parked_at,
        )
        for row in found
    ]


async def count_parked(engine: AsyncEngine, schema: str, projection: str) -> dict[str, int]:
    """How many events of a projection are parked, by cause (``PARKED_CAUSES``)."""
    parked = parked_of(schema)
    async with engine.connect() as connection:
        found = await connection.execute(
            select(parked.c.reason, func.count())
            .where(parked.c.projection == projection)
            .group_by(parked.c.reason)
        )
        counts = dict.fromkeys(PARKED_CAUSES, 0)
        for reason, count in found:
            counts[cause_of(reason)] += count
        return counts


async def show_parked(
    connection: AsyncConnection, store: EventStore, schema: str, projection: str, position: int
) -> tuple[ParkedEvent, SequencedEvent] | None:
    """A parked event and its event in the log, or None if none is parked at this position."""
    found = await list_parked(connection, schema, projection, after=position - 1, limit=1)
    if not found or found[0].position != position:
        return None
    events = await store.read_all(position - 1, 1)
    return (found[0], events[0]) if events else None


async def redrive(
    engine: AsyncEngine,
    store: EventStore,
    projection: Projection,
    schema: str,
    *,
    entity: str | None = None,
    progress: Progress = lambda _at, _of: None,
) -> Redriven:
    """Apply parked events again, for each entity in order up to the first that fails again.

    ``entity`` (a user's or video's id) limits it to one entity. A running projector waits
    meanwhile. Each entity is one transaction; it needs the service's own role. Events that fail
    stay parked, with the new reason.
    """
    entities: dict[str, list[int]] = {}
    async with engine.connect() as connection:
        for event in await _all_parked(connection, schema, projection.name):
            if entity is None or partition(event.stream_id) == entity:
                entities.setdefault(partition(event.stream_id), []).append(event.position)
    total = sum(len(positions) for positions in entities.values())
    applied = tried = 0
    progress(tried, total)
    for each, positions in entities.items():
        applied += await _redrive_entity(engine, store, projection, schema, each)
        tried += len(positions)
        progress(tried, total)
    async with engine.connect() as connection:
        left = await _all_parked(connection, schema, projection.name)
    return Redriven(
        applied=applied,
        left=sum(entity is None or partition(event.stream_id) == entity for event in left),
    )


async def heal(engine: AsyncEngine, store: EventStore, projection: Projection, schema: str) -> int:
    """Apply the events that an earlier build parked undecoded and that this one can decode.

    Later events of the same entities, which wait behind them, are applied, too. Returns how many
    were applied. Events whose application failed are left to an operator.
    """
    first: dict[str, ParkedEvent] = {}
    async with engine.connect() as connection:
        for event in await _all_parked(connection, schema, projection.name):
            first.setdefault(partition(event.stream_id), event)
    applied = 0
    for entity, event in first.items():
        if event.reason.startswith(UNREADABLE) and await _can_be_read(store, event.position):
            applied += await _redrive_entity(engine, store, projection, schema, entity)
    return applied


async def _can_be_read(store: EventStore, position: int) -> bool:
    (event,) = await store.read_all(position - 1, 1)
    return not isinstance(event.data, Unreadable)


async def drop_parked(engine: AsyncEngine, schema: str, projection: str, position: int) -> bool:
    """Remove a parked event without applying it; returns whether it was parked.

    The events that wait behind it can then be redriven. A rebuild applies the event again.
    """
    parked = parked_of(schema)
    async with engine.begin() as connection:
        await lock_checkpoint(connection, schema, projection)
        dropped: CursorResult[Any] = await connection.execute(
            delete(parked).where(parked.c.projection == projection, parked.c.position == position)
        )
    return dropped.rowcount == 1


async def _redrive_entity(
    engine: AsyncEngine, store: EventStore, projection: Projection, schema: str, entity: str
) -> int:
    """Apply an entity's parked events in one transaction; returns how many were applied."""
    parked = parked_of(schema)
    marks = FoldMarks(schema, projection.name)
    done: list[int] = []
    async with engine.begin() as connection:
        await lock_checkpoint(connection, schema, projection.name)
        # Read again under the lock: other events may have been redriven or parked meanwhile.
        for waiting in await _parked_of_entity(connection, schema, projection.name, entity):
            this = (parked.c.projection == projection.name) & (parked.c.position == waiting)
            reason = await _try(connection, store, projection, waiting)
            if reason is not None:
                await connection.execute(update(parked).where(this).values(reason=reason))
                break
            await connection.execute(delete(parked).where(this))
            done.append(waiting)
        if done:
            if isinstance(projection, Refoldable):
                for each in done:
                    await marks.mark(connection, Range(each - 1, each), projection.fold)
            # Whoever follows the projection finds changed rows, as after a commit of its own.
            position = await _position(connection, schema, projection.name)
            channel = f"{schema}.{projection.name}"
            await connection.execute(select(func.pg_notify(channel, str(position))))
    return len(done)


async def _position(connection: AsyncConnection, schema: str, projection: str) -> int:
    checkpoints = checkpoints_of(schema)
    found = await connection.execute(
        select(checkpoints.c.position).where(checkpoints.c.name == projection)
    )
    return found.scalar_one()


async def _parked_of_entity(
    connection: AsyncConnection, schema: str, projection: str, entity: str
) -> list[int]:
    """The positions of an entity's parked events, in order."""
    parked = parked_of(schema)
    # A stream that names no entity is an entity of its own.
    streams = [entity, *(stream_id(category, entity) for category in get_args(Category))]
    found = await connection.execute(
        select(parked.c.position)
        .where(parked.c.projection == projection, parked.c.stream_id.in_(streams))
        .order_by(parked.c.position)
    )
    return list(found.scalars())


async def _try(
    connection: AsyncConnection, store: EventStore, projection: Projection, position: int
) -> str | None:
    """Apply one event; return the reason if it failed, else None."""
    (event,) = await store.read_all(position - 1, 1)
    if isinstance(event.data, Unreadable):
        return UNREADABLE + event.data.reason
    try:
        async with connection.begin_nested():
            await projection.apply(connection, [event])
    except Exception as error:
        if is_transient(error):
            raise
        return reason_of(error)
    return None


async def _all_parked(
    connection: AsyncConnection, schema: str, projection: str
) -> Sequence[ParkedEvent]:
    found: list[ParkedEvent] = []
    while page := await list_parked(
        connection, schema, projection, after=found[-1].position if found else 0, limit=1000
    ):
        found += page
    return found
