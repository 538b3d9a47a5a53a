"""Durations counted as plain numbers, which become Prometheus' buckets at a scrape.

All counting happens in the event loop, so no lock is needed; with one, counting costs more than
finding a route.
"""

from bisect import bisect_left
from collections.abc import Sequence


class Durations:
    """Seconds, how many were not longer than each of the limits, and all together."""

    __slots__ = ("_limits", "counts", "seconds")

    def __init__(self, limits: Sequence[float]) -> None:
        self._limits = limits
        self.seconds = 0.0
        self.counts = [0] * (len(limits) + 1)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        """One more."""
        self.seconds += seconds
        self.counts[bisect_left(self._limits, seconds)] += 1

    def include(self, other: "Durations") -> None:
        """Those of another series with the same limits, too."""
        self.seconds += other.seconds
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]

    def buckets(self) -> list[tuple[str, float]]:
        """Prometheus' buckets: each counts what was not longer than its limit."""
        found: list[tuple[str, float]] = []
        so_far = 0
        for limit, count in zip((*self._limits, float("inf")), self.counts, strict=True):
            so_far += count
            name = "+Inf" if limit == float("inf") else str(float(limit))
            found.append((name, float(so_far)))
        return found
