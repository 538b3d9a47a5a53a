"""How many rows a long list has: as the database's statistics have it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from shared.database.reads import Reads

EXACT: Final = 1000
"""Up to this many rows are counted; counting more would cost more the longer the list is."""

_SECONDS: Final = 60.0
_REMEMBERED: Final = 1000


class Total(msgspec.Struct, frozen=True):
    """A number of rows; more than ``EXACT`` unless ``is_exact``."""

    rows: int
    is_exact: bool


class Totals:
    """Estimates of long lists, each remembered for a minute."""

    def __init__(self, reads: Reads, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = reads
        self._clock = clock
        self._known: dict[tuple[str, tuple[Any, ...]], tuple[float, int]] = {}

    async def of(self, counted: int, source: str, values: Sequence[Any] = ()) -> Total:
        """``counted``: the rows of a list, counted up to one more than ``EXACT``.

        ``source``: the rest of a statement after ``from``, with its ``values``.
        """
        if counted <= EXACT:
            return Total(counted, True)
        key = (source, tuple(values))
        made_at, estimate = self._known.get(key, (0.0, 0))
        if not estimate or self._clock() - made_at > _SECONDS:
            estimate = await self._estimate(source, values)
            self._known.pop(key, None)
            self._known[key] = (self._clock(), estimate)
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        return Total(max(estimate, counted), False)

    async def _estimate(self, source: str, values: Sequence[Any]) -> int:
        plan = await self._reads.row(f"explain (format json) select from {source}", *values)
        if plan is None:
            raise LookupError("the server has explained nothing")
        (found,) = msgspec.json.decode(plan["QUERY PLAN"])
        return int(found["Plan"]["Plan Rows"])
