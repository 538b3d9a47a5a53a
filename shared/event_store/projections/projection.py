"""Runs a projection: keeps tables that are folded from the log up to date.

The log is the source of truth; messages only make it faster. Events of a message are applied if
they continue from the checkpoint. If events are missing in between, the runner reads the log;
events at or before the checkpoint are dropped. Duplicated, reordered and lost messages, or a broker
without its queues, therefore do no harm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.event_store.projections.event_applier import EventApplier, Projection
from shared.event_store.projections.parking import count_parked, heal
from shared.event_store.projections.projection_metrics import MEASURE_SECONDS, ProjectionMetrics
from shared.event_store.projections.refold import Refoldable, Refolder
from shared.event_store.store import EventStore, SequencedEvent
from shared.loops.loops import Loops
from shared.telemetry import get_logger

_log = get_logger(__name__)

_BATCH_EVENTS: Final = 2000
# How often events that were parked undecoded are tried again, after the first try at the start.
_HEAL_SECONDS: Final = 60.0
# The marks change while a process leads only where another applies events, too.
_REFOLD_SECONDS: Final = 60.0

_Offer = tuple[list[SequencedEvent], "asyncio.Future[None]"]


class ProjectionRunner:
    """Keeps one projection up to date. Only the process that leads may run it.

    ``offer`` takes events from messages. ``run`` applies them, and also polls the log, so that the
    projection catches up without a broker.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        store: EventStore,
        projection: Projection,
        schema: str,
        *,
        batch: int = _BATCH_EVENTS,
        poll_seconds: float = 1.0,
        metrics: ProjectionMetrics | None = None,
        loops: Loops | None = None,
    ) -> None:
        self.name: Final = f"{schema}.{projection.name}"
        """Names the metric labels and the notify channel."""
        self._store = store
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._engine = engine
        self._projection = projection
        self._schema = schema
        self._metrics = metrics or ProjectionMetrics(CollectorRegistry())
        self._loops = loops or Loops(CollectorRegistry())
        self._loop = f"project {self.name}"
        self._applier = EventApplier(
            engine,
            projection,
            schema,
            self._metrics,
            committed=self._committed,
        )
        self._offered: list[_Offer] = []
        self._traces: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._refolder = (
            Refolder(engine, store, projection, schema)
            if isinstance(projection, Refoldable)
            else None
        )
        self._stale = asyncio.Event()
        self._loaded = False

    @property
    def position(self) -> int:
        """The position of the last event that was applied or parked."""
        return self._applier.position

    async def offer(
        self, events: Sequence[SequencedEvent], traces: Mapping[str, str] | None = None
    ) -> None:
        """Offer the events of a message; return once the checkpoint is past them.

        ``traces`` maps trace ids to the parent spans of their application. Raises ConnectionError
        if the events are not applied now.
        """
        self._traces.update(traces or {})
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._offered.append((list(events), done))
        self._wake.set()
        self._loops.rest.stir()
        await done

    async def run(self) -> None:
        """Apply events until cancelled.

        Raises CheckpointMoved if another process applies events, and any error that is no failure
        of the database.
        """
        self._loaded = False
        self._stale.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    self._loops.repeat(
                        self._loop,
                        self._apply_next,
                        self._poll_seconds,
                        wake=self._wake,
                        retry_seconds=None,
                        rests=True,
                    )
                )
                tasks.create_task(
                    self._loops.repeat(f"heal {self.name}", self._heal, _HEAL_SECONDS)
                )
                tasks.create_task(
                    self._loops.repeat(
                        f"measure {self.name}", self._measure, MEASURE_SECONDS, rests=True
                    )
                )
                if self._refolder is not None:
                    tasks.create_task(
                        self._loops.repeat(
                            f"refold {self.name}", self._refold, _REFOLD_SECONDS, wake=self._stale
                        )
                    )
        except ExceptionGroup as group:
            # The others never fail: the group has the error of the other task only.
            raise group.exceptions[0] from None
        finally:
            self._metrics.clear()
            _reject(self._offered, ConnectionError("the projection has stopped"))

    async def catch_up(self) -> int:
        """Apply every event of the log after the checkpoint; return the checkpoint."""
        while events := await self._store.read_all(self.position, self._batch):
            await self._applier.apply(events, self._traces)
        return self.position

    async def _apply_next(self) -> None:
        offered, self._offered = self._offered, []
        try:
            if not self._loaded:
                await self._applier.load()
                self._loaded = True
                if self._refolder is not None:
                    self._refolder.forget()
                self._stale.set()
            await self._settle(offered)
        except (OSError, DBAPIError) as error:
            _reject(offered, ConnectionError("the database did not answer"))
            _log.warning("database does not answer", projection=self.name, error=str(error))
            self._loaded = False
            await asyncio.sleep(self._poll_seconds)
            self._wake.set()
        except BaseException:
            _reject(offered, ConnectionError("the projection has stopped"))
            raise

    def _committed(self) -> None:
        self._loops.progress.advance(self._loop)
        # What follows from events is looked for now, also where no message told of them.
        self._loops.rest.stir()

    async def _settle(self, offered: Sequence[_Offer]) -> None:
        events = sorted(
            (event for bundle, _ in offered for event in bundle), key=lambda event: event.position
        )
        run, complete = contiguous(self.position, events)
        for start in range(0, len(run), self._batch):
            await self._applier.apply(run[start : start + self._batch], self._traces)
        if not complete or not offered:
            await self.catch_up()
        if not self._offered:
            self._traces.clear()
        for _, done in offered:
            if not done.done():
                done.set_result(None)

    async def _heal(self) -> None:
        """Apply what an earlier build could not decode and this one can."""
        applied = await heal(self._engine, self._store, self._projection, self._schema)
        if applied:
            _log.info("parked events applied", projection=self.name, events=applied)

    async def _refold(self) -> None:
        """Fold again what an older version has applied, part by part."""
        if self._refolder is not None and self._loaded and await self._refolder.round():
            self._stale.set()

    async def _measure(self) -> None:
        await self._metrics.measure(self.name, self.position, self._store)
        parked = await count_parked(self._engine, self._schema, self._projection.name)
        self._metrics.waiting(self.name, parked)


def contiguous(
    position: int, events: Sequence[SequencedEvent]
) -> tuple[list[SequencedEvent], bool]:
    """The events that continue from ``position`` without a gap, and whether none is missing.

    ``events`` must be sorted by position. Events at or before ``position``, and duplicates, are
    dropped.
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


def _reject(offered: Sequence[_Offer], error: Exception) -> None:
    for _, done in offered:
        if not done.done():
            done.set_exception(error)
            # Mark it as retrieved: the caller may have been cancelled meanwhile.
            done.exception()
