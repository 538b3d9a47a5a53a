"""Applies events to a projection's tables, and parks those that it cannot apply.

The checkpoint advances in the transaction that applies the events, so that every event takes
effect exactly once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import Conflict
from shared.event_store.projections.fold_marks import FoldMarks
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.projection_tables import (
    BEHIND,
    UNREADABLE,
    checkpoints_of,
    is_transient,
    lock_checkpoint,
    parked_of,
    partition,
    reason_of,
)
from shared.event_store.projections.refold import Refoldable
from shared.event_store.store import SequencedEvent, Unreadable
from shared.telemetry import get_logger

_log = get_logger(__name__)


class Projection(Protocol):
    """Folds events into its own tables. The result must depend on the events only."""

    @property
    def name(self) -> str:
        """The name of its checkpoint."""
        ...

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        """Apply events in order, inside the transaction that also advances the checkpoint."""
        ...


class CheckpointMoved(Conflict):
    """Another process moved this projection's checkpoint."""

    code = "checkpoint_moved"


class EventApplier:
    """Applies events in order, in one process at a time.

    ``position`` is the checkpoint. ``committed`` is called after each transaction.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        projection: Projection,
        schema: str,
        metrics: ProjectionMetrics,
        committed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._projection = projection
        self._schema = schema
        self._metrics = metrics
        self._committed = committed
        self._checkpoints = checkpoints_of(schema)
        self._parked = parked_of(schema)
        self._marks = FoldMarks(schema, projection.name)
        self._fold = projection.fold if isinstance(projection, Refoldable) else None
        self._waiting: set[str] = set()
        self.position = 0

    @property
    def name(self) -> str:
        """``schema.projection``."""
        return f"{self._schema}.{self._projection.name}"

    async def load(self) -> None:
        """Read the checkpoint, which is created if it is missing, and the entities that wait."""
        checkpoints = self._checkpoints
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(checkpoints)
                .values(name=self._projection.name, position=0)
                .on_conflict_do_nothing()
            )
            found = await connection.execute(
                select(checkpoints.c.position)
                .where(checkpoints.c.name == self._projection.name)
                .with_for_update(key_share=True)
            )
            self.position = found.scalar_one()
            if self._fold is not None:
                await self._marks.take_over(connection, self._fold)
            self._waiting = await self._entities_waiting(connection)

    async def apply(self, events: Sequence[SequencedEvent], traces: Mapping[str, str]) -> None:
        """Apply events that continue from the checkpoint. ``traces``: see ProjectionMetrics.

        Raises CheckpointMoved, and the database's error if the events may be applied later.
        """
        run: list[SequencedEvent] = []
        for event in events:
            if self._must_wait(event):
                await self._apply_run(run, traces)
                run = []
                await self._apply_alone(event, traces)
            else:
                run.append(event)
        await self._apply_run(run, traces)

    async def _apply_run(self, events: Sequence[SequencedEvent], traces: Mapping[str, str]) -> None:
        """Apply events in one transaction; if it fails, apply each on its own to park the cause."""
        if not events:
            return
        try:
            await self._commit(events, traces)
        except CheckpointMoved:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            for event in events:
                await self._apply_alone(event, traces)

    async def _apply_alone(self, event: SequencedEvent, traces: Mapping[str, str]) -> None:
        if isinstance(event.data, Unreadable):
            await self._park(event, UNREADABLE + event.data.reason)
            return
        if self._must_wait(event) and await self._park_behind(event):
            return
        try:
            await self._commit([event], traces)
        except CheckpointMoved:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            await self._park(event, reason_of(error))

    def _must_wait(self, event: SequencedEvent) -> bool:
        return partition(event.stream_id) in self._waiting or isinstance(event.data, Unreadable)

    async def _commit(self, events: Sequence[SequencedEvent], traces: Mapping[str, str]) -> None:
        last = events[-1].position
        with self._metrics.committing(self.name, events, traces):
            async with self._engine.begin() as connection:
                # The checkpoint first: see ``lock_checkpoint``.
                await self._advance(connection, last)
                await self._projection.apply(connection, events)
        self.position = last
        self._committed()

    async def _park(self, event: SequencedEvent, reason: str) -> None:
        async with self._engine.begin() as connection:
            await self._advance(connection, event.position)
            await self._insert_parked(connection, event, reason)
        self._parked_at(event, reason)

    async def _park_behind(self, event: SequencedEvent) -> bool:
        """Park an event because an earlier one of its entity is parked.

        Returns False if the earlier one has been redriven meanwhile, so that this one need not
        wait.
        """
        async with self._engine.begin() as connection:
            # A redrive holds the same lock while it reads and applies parked events.
            await lock_checkpoint(connection, self._schema, self._projection.name)
            self._waiting = await self._entities_waiting(connection)
            if partition(event.stream_id) not in self._waiting:
                return False
            await self._advance(connection, event.position)
            await self._insert_parked(connection, event, BEHIND)
        self._parked_at(event, BEHIND)
        return True

    async def _insert_parked(
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
        self._committed()
        _log.error(
            "event parked",
            projection=self.name,
            stream=event.stream_id,
            position=event.position,
            reason=reason,
        )

    async def _advance(self, connection: AsyncConnection, position: int) -> None:
        moved = await connection.execute(
            update(self._checkpoints)
            .where(
                self._checkpoints.c.name == self._projection.name,
                self._checkpoints.c.position == self.position,
            )
            .values(position=position, **self._marked(position))
        )
        if moved.rowcount != 1:
            raise CheckpointMoved(f"{self.name} is no longer at {self.position}")
        await connection.execute(select(func.pg_notify(self.name, str(position))))

    def _marked(self, position: int) -> dict[str, Any]:
        return {} if self._fold is None else self._marks.advanced(position, self._fold)

    async def _entities_waiting(self, connection: AsyncConnection) -> set[str]:
        parked = self._parked
        found = await connection.execute(
            select(parked.c.stream_id)
            .where(parked.c.projection == self._projection.name)
            .distinct()
        )
        return {partition(stream) for stream in found.scalars()}
