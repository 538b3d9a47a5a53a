"""Work on many items in one round, so that one bad item harms nothing but itself."""

import asyncio
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

    An outage is no fault of an item: it ends the round. It is one if two items in a row meet it;
    a single item may be one that the storage or the database never answers for. Either way the
    item waits 5 s, so that the next round begins with others.
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
        met: tuple[str, Exception] | None = None
        for item in items:
            try:
                done = await self._step(item, key(item), step)
            except Exception as error:
                check_cancelled()
                if met is not None:
                    raise
                met = (key(item), error)
                continue
            if done and met is not None:
                self._failed(*met)
                met = None
        if met is not None:
            raise met[1]

    async def together(
        self,
        items: Iterable[T],
        key: Callable[[T], str],
        step: Callable[[T], Awaitable[object]],
    ) -> None:
        """The same side by side: an outage is one where no item was done."""
        known = {key(item): item for item in items}
        results = await asyncio.gather(
            *(self._step(item, name, step) for name, item in known.items()),
            return_exceptions=True,
        )
        check_cancelled()
        met = {
            name: result
            for name, result in zip(known, results, strict=True)
            if isinstance(result, BaseException)
        }
        for name, error in met.items():
            if not isinstance(error, Exception) or not any(result is True for result in results):
                raise error
            self._failed(name, error)

    async def one(
        self, item: T, key: Callable[[T], str], step: Callable[[T], Awaitable[object]]
    ) -> None:
        """The same for one item."""
        await self._step(item, key(item), step)

    async def _step(self, item: T, name: str, step: Callable[[T], Awaitable[object]]) -> bool:
        """Whether an item was done. Raises what may be an outage."""
        due, _pause = self._waiting.get(name, (0.0, _FIRST_SECONDS))
        if due > self._clock():
            return False
        try:
            await step(item)
        except Exception as error:
            check_cancelled()
            if is_outage(error):
                self._wait(name, _FIRST_SECONDS, longer=False)
                raise
            self._failed(name, error)
            return False
        self._waiting.pop(name, None)
        self._metrics.waiting.labels(self._loop).set(len(self._waiting))
        return True

    def _failed(self, name: str, error: Exception) -> None:
        """An item has failed by a fault of its own."""
        _due, pause = self._waiting.get(name, (0.0, _FIRST_SECONDS))
        self._wait(name, pause, longer=True)
        self._metrics.failures.labels(self._loop).inc()
        _log.error("item failed", loop=self._loop, item=name, error=repr(error))

    def _wait(self, name: str, seconds: float, *, longer: bool) -> None:
        _due, pause = self._waiting.get(name, (0.0, _FIRST_SECONDS))
        if name in self._waiting or len(self._waiting) < _MOST:
            after = min(2 * seconds, _LAST_SECONDS) if longer else pause
            self._waiting[name] = (self._clock() + seconds, after)
        self._metrics.waiting.labels(self._loop).set(len(self._waiting))
