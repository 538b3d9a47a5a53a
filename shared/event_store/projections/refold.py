"""Brings rows up to date that an older version of a projection's fold has written.

After an upgrade, and after a roll back and forth, some entities have rows that this version would
have made otherwise. Each of them is folded again from all of its events, in a transaction of a few
entities, while the projection goes on. See docs/decisions/0043.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, Protocol, get_args, runtime_checkable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts import Category, stream_id
from shared.event_store.projections.fold_marks import FoldMarks, Marks
from shared.event_store.projections.fold_runs import Range, oldest_stale
from shared.event_store.projections.projection_tables import (
    is_transient,
    lock_checkpoint,
    parked_of,
    partition,
    reason_of,
)
from shared.event_store.store import EventStore, SequencedEvent, Unreadable
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Positions that are looked through in one round, and entities of one transaction.
_RANGE: Final = 2000
_ENTITIES: Final = 50
_PAGE: Final = 20_000
# An entity of many events is in most ranges; those folded last are not folded again.
_REMEMBERED: Final = 50_000

History = Callable[[Sequence[str]], Awaitable[list[SequencedEvent]]]
"""Reads the events of other entities, in order, up to the position that rows are made for."""


class Refolding(Protocol):
    """The new rows of some entities."""

    async def add(self, events: Sequence[SequencedEvent]) -> None:
        """Fold the next events of the entities. No row that others can see is touched."""
        ...

    async def replace(self, history: History) -> None:
        """Replace the entities' rows that differ. The checkpoint is locked."""
        ...


@runtime_checkable
class Refoldable(Protocol):
    """A projection whose rows follow from the log, entity by entity.

    ``fold`` is the version of its fold. ``ignored``: frequent types that change no row.
    """

    @property
    def name(self) -> str: ...

    @property
    def fold(self) -> int: ...

    @property
    def ignored(self) -> Sequence[str]: ...

    def refolding(self, connection: AsyncConnection, entities: Sequence[str]) -> Refolding:
        """Begin to fold these entities from their first event."""
        ...

    async def dependents(
        self, connection: AsyncConnection, events: Sequence[SequencedEvent], /
    ) -> Sequence[str]:
        """The entities whose rows events of other entities may have changed."""
        ...

    async def complete(self, connection: AsyncConnection, /) -> None:
        """All entities are folded: make what belongs to none of them."""
        ...


class Refolder:
    """Folds entities again for as long as its process leads."""

    def __init__(
        self, engine: AsyncEngine, store: EventStore, projection: Refoldable, schema: str
    ) -> None:
        self._engine = engine
        self._store = store
        self._projection = projection
        self._schema = schema
        self._marks = FoldMarks(schema, projection.name)
        self._folded: OrderedDict[str, None] = OrderedDict()
        self._began = False

    def forget(self) -> None:
        """Another process may have led meanwhile: what was folded may be stale again."""
        self._folded.clear()

    async def round(self) -> bool:
        """Bring a part of the log up to date; returns whether more may be left."""
        async with self._engine.connect() as connection:
            marks = await self._marks.read(connection)
        stale = self._stale(marks)
        if stale is None:
            if self._began:
                _log.info("rows are up to date", projection=self._name, fold=marks.fold)
            self._began = False
            return False
        if not self._began:
            self._began = True
            _log.info(
                "rows of an older fold are folded again",
                projection=self._name,
                fold=marks.fold,
                after=stale.after,
                last=stale.last,
            )
        events = await self._store.read_all(stale.after, min(_RANGE, stale.last - stale.after))
        part = Range(stale.after, events[-1].position if events else stale.last)
        entities = await self._entities(events)
        for start in range(0, len(entities), _ENTITIES):
            await self._refold(entities[start : start + _ENTITIES])
        await self._finish(part)
        return True

    @property
    def _name(self) -> str:
        return f"{self._schema}.{self._projection.name}"

    def _stale(self, marks: Marks) -> Range | None:
        """None also where another version has taken over."""
        if marks.fold != self._projection.fold:
            return None
        return oldest_stale(marks.runs, marks.position, marks.fold)

    async def _entities(self, events: Sequence[SequencedEvent]) -> list[str]:
        async with self._engine.connect() as connection:
            others = await self._projection.dependents(connection, events)
        named = dict.fromkeys((*(partition(event.stream_id) for event in events), *others))
        return [entity for entity in named if entity not in self._folded]

    async def _refold(self, entities: Sequence[str]) -> None:
        """Fold some entities again; if that fails, each on its own.

        A transaction that takes too long is ended by the database, which looks like an outage: it
        must become a smaller one.
        """
        try:
            while not await self._transact(entities):
                pass
        except Exception as error:
            if len(entities) > 1:
                for entity in entities:
                    await self._refold([entity])
                return
            if is_transient(error):
                raise
            _log.error(
                "entity not folded again",
                projection=self._name,
                entity=entities[0],
                reason=reason_of(error),
            )
        for entity in entities:
            self._folded[entity] = None
            self._folded.move_to_end(entity)
        while len(self._folded) > _REMEMBERED:
            self._folded.popitem(last=False)

    async def _transact(self, entities: Sequence[str]) -> bool:
        """Fold what there is without a lock, then the rest with the checkpoint locked.

        Returns False if events of the entities were parked or redriven meanwhile.
        """
        async with self._engine.begin() as connection:
            # The position first: what is parked before it is seen.
            known = (await self._marks.read(connection)).position
            parked = await self._parked(connection, entities)
            refolding = self._projection.refolding(connection, entities)
            await self._add(refolding, entities, Range(0, known), parked)
            await lock_checkpoint(connection, self._schema, self._projection.name)
            marks = await self._marks.read(connection)
            if marks.fold != self._projection.fold:
                return True
            before, parked = parked, await self._parked(connection, entities)
            if _up_to(known, before) != _up_to(known, parked):
                return False
            await self._add(refolding, entities, Range(known, marks.position), parked)

            async def history(others: Sequence[str]) -> list[SequencedEvent]:
                waiting = await self._parked(connection, others)
                pages = self._pages(others, Range(0, marks.position), waiting)
                return [event async for page in pages for event in page]

            await refolding.replace(history)
        return True

    async def _add(
        self, refolding: Refolding, entities: Sequence[str], part: Range, parked: dict[str, int]
    ) -> None:
        async for page in self._pages(entities, part, parked):
            await refolding.add(page)

    async def _pages(
        self, entities: Sequence[str], part: Range, parked: dict[str, int]
    ) -> AsyncGenerator[list[SequencedEvent]]:
        """The events of these entities that are not parked."""
        # A stream that names no entity is an entity of its own.
        streams = list(entities)
        streams += [stream_id(category, of) for of in entities for category in get_args(Category)]
        after = part.after
        while page := await self._store.read_history(
            streams, after, part.last, _PAGE, self._projection.ignored
        ):
            yield [event for event in page if _applied(event, parked)]
            after = page[-1].position

    async def _parked(self, connection: AsyncConnection, entities: Sequence[str]) -> dict[str, int]:
        """The position of the first parked event of each entity that has one."""
        parked = parked_of(self._schema)
        found = await connection.execute(
            select(parked.c.stream_id, parked.c.position)
            .where(parked.c.projection == self._projection.name)
            .order_by(parked.c.position)
        )
        first: dict[str, int] = {}
        for stream, position in found:
            if partition(stream) in entities:
                first.setdefault(partition(stream), position)
        return first

    async def _finish(self, part: Range) -> None:
        """Mark what is done; after the last part, make what belongs to no entity."""
        async with self._engine.begin() as connection:
            await lock_checkpoint(connection, self._schema, self._projection.name)
            if self._stale(await self._marks.read(connection)) is None:
                return
            await self._marks.mark(connection, part, self._projection.fold)
            if self._stale(await self._marks.read(connection)) is None:
                await self._projection.complete(connection)


def _up_to(position: int, parked: dict[str, int]) -> dict[str, int]:
    return {entity: at for entity, at in parked.items() if at <= position}


def _applied(event: SequencedEvent, parked: dict[str, int]) -> bool:
    """Whether the projection has applied an event. One that was dropped unread it never will."""
    waits_from = parked.get(partition(event.stream_id))
    return not isinstance(event.data, Unreadable) and (
        waits_from is None or event.position < waits_from
    )
