"""Read models: tables folded from the log, committed together with the place they are at.

The message is a hint, the log is the truth. Events handed over by a message are applied only if
they continue where the checkpoint stands; after a gap the runner reads the log instead, and what
it has seen it drops. So duplicates, disorder, lost messages and a wiped broker heal by themselves,
and every event takes effect exactly once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import Conflict
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.projection_tables import (
    checkpoints_of,
    is_transient,
    lock_checkpoint,
    parked_of,
    partition,
    reason_of,
)
from shared.event_store.store import EventStore, SequencedEvent, Unreadable
from shared.telemetry import get_logger

_log = get_logger(__name__)


class Projection(Protocol):
    """Folds events into tables of its own. It must depend on nothing but the events."""

    @property
    def name(self) -> str:
        """The name of its checkpoint."""
        ...

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        """Apply events in order, inside the transaction that also moves the checkpoint."""
        ...


class CheckpointMoved(Conflict):
    """Another process moved this projection's checkpoint."""

    code = "checkpoint_moved"


class ProjectionRunner:
    """Keeps one projection up to date. Only one process may run it: hold its leadership.

    ``offer`` takes events from messages; ``run`` applies them and polls the log besides, so that
    the projection catches up with no broker at all.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        store: EventStore,
        projection: Projection,
        schema: str,
        *,
        batch: int = 2000,
        poll_seconds: float = 1.0,
        metrics: ProjectionMetrics | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._projection = projection
        self._schema = schema
        self._checkpoints = checkpoints_of(schema)
        self._parked = parked_of(schema)
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._metrics = metrics or ProjectionMetrics(CollectorRegistry())
        self._offered: list[tuple[list[SequencedEvent], asyncio.Future[None]]] = []
        self._traces: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._waiting: set[str] = set()
        self.position = 0

    @property
    def name(self) -> str:
        """``schema.projection``: names the lock, the metric labels and the notify channel."""
        return f"{self._schema}.{self._projection.name}"

    async def offer(
        self, events: Sequence[SequencedEvent], traces: Mapping[str, str] | None = None
    ) -> None:
        """Hand over events from a message; returns once the checkpoint is past them.

        ``traces``: by trace id, the spans below which their application belongs.
        """
        self._traces.update(traces or {})
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._offered.append((list(events), done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Apply for ever; returns only by cancellation or with the error that ended it."""
        loaded = False
        try:
            while True:
                offered, self._offered = self._offered, []
                try:
                    if not loaded:
                        await self._load()
                        loaded = True
                    await self._settle(offered)
                except (OSError, DBAPIError) as error:
                    _reject(offered, ConnectionError("the database did not answer"))
                    _log.warning("projection waits", projection=self.name, error=str(error))
                    await asyncio.sleep(self._poll_seconds)
                    loaded = False
                except BaseException:
                    _reject(offered, ConnectionError("the projection has stopped"))
                    raise
                if not self._offered:
                    self._wake.clear()
                    try:
                        async with asyncio.timeout(self._poll_seconds):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
        finally:
            _reject(self._offered, ConnectionError("the projection has stopped"))

    async def catch_up(self) -> int:
        """Apply what the log has after the checkpoint; returns the checkpoint."""
        while events := await self._store.read_all(self.position, self._batch):
            await self._apply(events)
        return self.position

    async def _settle(
        self, offered: list[tuple[list[SequencedEvent], "asyncio.Future[None]"]]
    ) -> None:
        events = sorted(
            (event for handed, _ in offered for event in handed),
            key=lambda event: event.position,
        )
        run, complete = contiguous(self.position, events)
        if run:
            await self._apply(run)
        if not complete or not offered:
            await self.catch_up()
        if not self._offered:
            self._traces.clear()
        for _, done in offered:
            if not done.done():
                done.set_result(None)

    async def _apply(self, events: Sequence[SequencedEvent]) -> None:
        for start in range(0, len(events), self._batch):
            run: list[SequencedEvent] = []
            for event in events[start : start + self._batch]:
                if self._must_wait(event):
                    await self._apply_run(run)
                    run = []
                    await self._apply_alone(event)
                else:
                    run.append(event)
            await self._apply_run(run)

    async def _apply_run(self, events: Sequence[SequencedEvent]) -> None:
        """Apply all at once; if they cannot be, find the one to park, and let the rest go on."""
        if not events:
            return
        try:
            await self._commit(events)
        except CheckpointMoved:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            for event in events:
                await self._apply_alone(event)

    async def _apply_alone(self, event: SequencedEvent) -> None:
        if isinstance(event.data, Unreadable):
            await self._park(event, event.data.reason)
            return
        if self._must_wait(event) and await self._park_behind(event):
            return
        try:
            await self._commit([event])
        except CheckpointMoved:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            await self._park(event, reason_of(error))

    def _must_wait(self, event: SequencedEvent) -> bool:
        return partition(event.stream_id) in self._waiting or isinstance(event.data, Unreadable)

    async def _park(self, event: SequencedEvent, reason: str) -> None:
        async with self._engine.begin() as connection:
            await self._advance(connection, event.position)
            await self._put_aside(connection, event, reason)
        self._parked_at(event, reason)

    async def _park_behind(self, event: SequencedEvent) -> bool:
        """Park an event whose entity waits; False if that was redriven and is free by now."""
        reason = "an earlier event of this entity is parked"
        async with self._engine.begin() as connection:
            # A redrive holds the same lock from its first look to its end.
            await lock_checkpoint(connection, self._schema, self._projection.name)
            self._waiting = await self._entities_waiting(connection)
            if partition(event.stream_id) not in self._waiting:
                return False
            await self._advance(connection, event.position)
            await self._put_aside(connection, event, reason)
        self._parked_at(event, reason)
        return True

    async def _put_aside(
        self, connection: AsyncConnection, event: SequencedEvent, reason: str
    ) -> None:
        await connection.execute(
            insert(self._parked)
            .values(
                projection=self._projection.name,
                position=event.position,
                stream_id=event.stream_id,
                reason=reason,
            )
            .on_conflict_do_nothing()
        )

    def _parked_at(self, event: SequencedEvent, reason: str) -> None:
        self.position = event.position
        self._waiting.add(partition(event.stream_id))
        self._metrics.parked(self.name)
        _log.error(
            "event parked",
            projection=self.name,
            stream=event.stream_id,
            position=event.position,
            reason=reason,
        )

    async def _commit(self, events: Sequence[SequencedEvent]) -> None:
        last = events[-1].position
        with self._metrics.committing(self.name, events, self._traces):
            async with self._engine.begin() as connection:
                # The checkpoint first: see ``lock_checkpoint``.
                await self._advance(connection, last)
                await self._projection.apply(connection, events)
        self.position = last

    async def _advance(self, connection: AsyncConnection, position: int) -> None:
        moved = await connection.execute(
            update(self._checkpoints)
            .where(
                self._checkpoints.c.name == self._projection.name,
                self._checkpoints.c.position == self.position,
            )
            .values(position=position)
        )
        if moved.rowcount != 1:
            raise CheckpointMoved(f"{self.name} is no longer at {self.position}")
        await connection.execute(select(func.pg_notify(self.name, str(position))))

    async def _load(self) -> None:
        checkpoints = self._checkpoints
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(checkpoints)
                .values(name=self._projection.name, position=0)
                .on_conflict_do_nothing()
            )
            found = await connection.execute(
                select(checkpoints.c.position).where(checkpoints.c.name == self._projection.name)
            )
            self.position = found.scalar_one()
            self._waiting = await self._entities_waiting(connection)

    async def _entities_waiting(self, connection: AsyncConnection) -> set[str]:
        parked = self._parked
        found = await connection.execute(
            select(parked.c.stream_id)
            .where(parked.c.projection == self._projection.name)
            .distinct()
        )
        return {partition(stream) for stream in found.scalars()}


def contiguous(
    position: int, events: Sequence[SequencedEvent]
) -> tuple[list[SequencedEvent], bool]:
    """The events that continue from ``position`` without a gap, and whether those are all.

    ``events`` must be sorted by position; what is at or below ``position`` and what stands twice
    is dropped.
    """
    run: list[SequencedEvent] = []
    for event in events:
        if event.position <= position:
            continue
        if event.position != position + 1:
            return run, False
        run.append(event)
        position = event.position
    return run, True


def _reject(
    offered: list[tuple[list[SequencedEvent], "asyncio.Future[None]"]], error: Exception
) -> None:
    for _, done in offered:
        if not done.done():
            done.set_exception(error)
            # The message goes back to the queue whether or not anybody still waits here.
            done.exception()
