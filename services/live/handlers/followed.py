"""States of streams that are asked for again and again: each event is read once."""

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.contracts import Category, stream_id
from shared.event_store.store import EventStore, RecordedEvent

State = TypeVar("State")


class Followed(Generic[State]):
    """The states of the streams of one ``category``, folded by ``evolve``. Those that were asked
    for last are kept, ``most`` of them; each look reads what was added since the last one."""

    def __init__(
        self,
        store: EventStore,
        category: Category,
        initial: State,
        evolve: Callable[[State, RecordedEvent], State],
        *,
        most: int,
    ) -> None:
        self._store = store
        self._category: Category = category
        self._initial = initial
        self._evolve = evolve
        self._most = most
        self._kept: dict[str, tuple[State, int]] = {}

    def kept(self, entity: str) -> tuple[State, int] | None:
        """The state and version of the last look, if it is kept."""
        return self._kept.get(entity)

    async def now(self, entity: str) -> tuple[State, int]:
        """The state and version as the log has them. Raises what ``evolve`` raises."""
        state, version = self._kept.get(entity, (self._initial, 0))
        name = stream_id(self._category, entity)
        added = await self._store.read_after({name: version})
        for recorded in added.get(name, ()):
            state, version = self._evolve(state, recorded), recorded.version
        self.keep(entity, state, version)
        return state, version

    def keep(self, entity: str, state: State, version: int) -> None:
        """The state after an event of this version, unless a later one is known."""
        known = self._kept.pop(entity, None)
        if known is not None and known[1] > version:
            state, version = known
        if version:
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[entity] = state, version

    def forget(self, entity: str) -> None:
        """It is not asked for any more."""
        self._kept.pop(entity, None)
