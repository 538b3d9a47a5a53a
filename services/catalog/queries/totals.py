"""How many rows a long list has: counted as far as pages by number reach, estimated above.

What a search finds is estimated above ``EXACT``: to count it costs more, the more there is."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from shared.database.reads import Reads
from shared.http.paging import MAX_OFFSET, MAX_SIZE

EXACT: Final = 1000
"""Up to this many rows are counted for each page; more would cost more the longer the list is."""

COUNTED: Final = MAX_OFFSET + MAX_SIZE
"""Up to this many rows are counted once a minute: clients that have no cursor reach all of them.
Statistics know nothing of a channel or tag that is not among the most common."""

_SECONDS: Final = 60.0
_REMEMBERED: Final = 1000

_Key: TypeAlias = tuple[str, tuple[Any, ...]]


class Total(msgspec.Struct, frozen=True):
    """A number of rows; more than ``EXACT`` unless ``is_exact``."""

    rows: int
    is_exact: bool


class Totals:
    """Numbers of rows of long lists, each remembered for a minute."""

    def __init__(self, reads: Reads, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = reads
        self._clock = clock
        self._known: dict[_Key, tuple[float, int]] = {}

    async def of(
        self, counted: int, source: str, values: Sequence[Any] = (), *, shown: int = 0
    ) -> Total:
        """``counted``: the rows of a list, counted up to one more than ``EXACT``.

        ``source``: the rest of a statement after ``from``, with its ``values``. ``shown``: the
        rows up to the end of the page, which are there.
        """

        async def found() -> int:
            known = await self._count(source, values)
            return known if known <= COUNTED else max(known, await self._estimate(source, values))

        return await self._total(counted, (source, tuple(values)), found, shown)

    async def estimated(
        self, counted: int, source: str, values: Sequence[Any] = (), *, shown: int = 0
    ) -> Total:
        """Like ``of``, without counting: where that costs more, the more rows there are."""

        async def found() -> int:
            return await self._estimate(source, values)

        return await self._total(counted, (source, tuple(values)), found, shown)

    async def expected(self, source: str, values: Sequence[Any] = ()) -> int:
        """The estimate for a list of which nothing was counted."""

        async def found() -> int:
            return max(await self._estimate(source, values), 1)

        return await self._remembered((source, tuple(values)), found)

    async def _total(
        self, counted: int, key: _Key, found: Callable[[], Awaitable[int]], shown: int
    ) -> Total:
        if counted <= EXACT:
            return Total(counted, True)
        known = await self._remembered(key, found)
        return Total(max(known, counted, shown), False)

    async def _remembered(self, key: _Key, found: Callable[[], Awaitable[int]]) -> int:
        made_at, known = self._known.get(key, (0.0, 0))
        if not known or self._clock() - made_at > _SECONDS:
            known = await found()
            self._known.pop(key, None)
            self._known[key] = (self._clock(), known)
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        return known

    async def _count(self, source: str, values: Sequence[Any]) -> int:
        """The number of rows, up to one more than ``COUNTED``."""
        found = await self._reads.row(
            f"select count(*) as rows from (select from {source} limit {COUNTED + 1}) capped",  # noqa: S608 - our own text
            *values,
        )
        if found is None:
            raise LookupError("the server has counted nothing")
        return found["rows"]

    async def _estimate(self, source: str, values: Sequence[Any]) -> int:
        plan = await self._reads.row(f"explain (format json) select from {source}", *values)
        if plan is None:
            raise LookupError("the server has explained nothing")
        (found,) = msgspec.json.decode(plan["QUERY PLAN"])
        return int(found["Plan"]["Plan Rows"])
