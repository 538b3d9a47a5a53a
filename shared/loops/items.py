"""Work on many items in one round, so that one bad item harms nothing but itself."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.loops.cancellation import check_cancelled
from shared.outages import is_outage
from shared.telemetry import get_logger

T = TypeVar("T")

_log = get_logger(__name__)

_FIRST_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 300.0
# More bad items than this are tried again in every round, which is slow but loses nothing.
_MOST: Final = 10_000


class ItemMetrics:
    """How many items fail, and how many wait for another try, by loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.failures = Counter(
            "cinelog_item_failures",
            "Items of a loop that failed and were passed over.",
            ("loop",),
            registry=registry,
        )
        self.waiting = Gauge(
            "cinelog_items_waiting",
            "Items of a loop that failed and wait for another try.",
            ("loop",),
            registry=registry,
        )


class Items:
    """The items of one loop. One that fails is passed over, for 5 s at first and 5 min at most.

    An outage is no fault of an item: it ends the round, so that nothing waits when it is over.
    """

    def __init__(
        self, loop: str, metrics: ItemMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loop = loop
        self._metrics = metrics
        self._clock = clock
        # When an item may be tried again, and after how many seconds the time after that.
        self._waiting: dict[str, tuple[float, float]] = {}

    @property
    def waiting(self) -> list[str]:
        """The keys of the items to pass over now."""
        now = self._clock()
        return [key for key, (due, _pause) in self._waiting.items() if due > now]

    async def each(
        self,
        items: Iterable[T],
        key: Callable[[T], str],
        step: Callable[[T], Awaitable[object]],
    ) -> None:
        """Call ``step`` for each item that does not wait. Raises only what is an outage."""
        for item in items:
            await self.one(item, key, step)

    async def one(
        self, item: T, key: Callable[[T], str], step: Callable[[T], Awaitable[object]]
    ) -> None:
        """The same for one item."""
        name = key(item)
        due, pause = self._waiting.get(name, (0.0, _FIRST_SECONDS))
        if due > self._clock():
            return
        try:
            await step(item)
        except Exception as error:
            check_cancelled()
            if is_outage(error):
                raise
            if name in self._waiting or len(self._waiting) < _MOST:
                self._waiting[name] = (self._clock() + pause, min(2 * pause, _LAST_SECONDS))
            self._metrics.failures.labels(self._loop).inc()
            _log.error("item failed", loop=self._loop, item=name, error=repr(error))
        else:
            self._waiting.pop(name, None)
        self._metrics.waiting.labels(self._loop).set(len(self._waiting))
