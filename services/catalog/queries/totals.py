"""How many rows a long list has: counted as far as pages by number reach, estimated above."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

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


class Total(msgspec.Struct, frozen=True):
    """A number of rows; more than ``EXACT`` unless ``is_exact``."""

    rows: int
    is_exact: bool


class Totals:
    """Numbers of rows of long lists, each remembered for a minute."""

    def __init__(self, reads: Reads, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = reads
        self._clock = clock
        self._known: dict[tuple[str, tuple[Any, ...]], tuple[float, int]] = {}

    async def of(
        self, counted: int, source: str, values: Sequence[Any] = (), *, shown: int = 0
    ) -> Total:
        """``counted``: the rows of a list, counted up to one more than ``EXACT``.

        ``source``: the rest of a statement after ``from``, with its ``values``. ``shown``: the
        rows up to the end of the page, which are there.
        """
        if counted <= EXACT:
            return Total(counted, True)
        key = (source, tuple(values))
        made_at, known = self._known.get(key, (0.0, 0))
        if not known or self._clock() - made_at > _SECONDS:
            known = await self._count(source, values)
            if known > COUNTED:
                known = max(known, await self._estimate(source, values))
            self._known.pop(key, None)
            self._known[key] = (self._clock(), known)
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        return Total(max(known, counted, shown), False)

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
