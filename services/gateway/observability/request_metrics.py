"""The request metrics that every service has, counted as plain numbers.

The gateway counts six numbers per request, and a counter with a lock costs more than finding a
route. All counting happens in the event loop, so no lock is needed: a scrape turns the numbers
into Prometheus' metrics.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from shared.http.metrics import BUCKETS

_SERVICE: Final = "gateway"


class _Series:
    """Requests of one method, route and status: their count, seconds, and count per bucket."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)


class RequestMetrics(Collector):
    """Counts requests by method, route and status, their seconds, and those in progress."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series: dict[tuple[str, str, int], _Series] = {}
        self._in_flight = 0
        registry.register(self)

    def started(self) -> None:
        """A request has arrived."""
        self._in_flight += 1

    def finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route`` is a template, so that there are few series."""
        self._in_flight -= 1
        series = self._series.get((method, route, status))
        if series is None:
            series = self._series[method, route, status] = _Series()
        series.count += 1
        series.seconds += seconds
        series.buckets[bisect_left(BUCKETS, seconds)] += 1

    def describe(self) -> Iterator[Metric]:
        """The metrics without values: the registry checks that their names are unique."""
        return iter(self._families())

    def collect(self) -> Iterator[Metric]:
        """The metrics, for a scrape."""
        total, duration, in_flight = self._families()
        durations: dict[tuple[str, str], tuple[list[int], float]] = {}
        for (method, route, status), series in self._series.items():
            total.add_metric((_SERVICE, method, route, str(status)), series.count)
            buckets, seconds = durations.get((method, route), ([0] * len(series.buckets), 0.0))
            durations[method, route] = (
                [one + other for one, other in zip(buckets, series.buckets, strict=True)],
                seconds + series.seconds,
            )
        for (method, route), (buckets, seconds) in durations.items():
            duration.add_metric((_SERVICE, method, route), _cumulative(buckets), seconds)
        in_flight.add_metric((_SERVICE,), self._in_flight)
        return iter((total, duration, in_flight))

    def _families(self) -> tuple[CounterMetricFamily, HistogramMetricFamily, GaugeMetricFamily]:
        return (
            CounterMetricFamily(
                "http_requests",
                "HTTP requests answered.",
                labels=("service", "method", "route", "status"),
            ),
            HistogramMetricFamily(
                "http_request_duration_seconds",
                "Seconds from a request's headers to the end of its answer.",
                labels=("service", "method", "route"),
            ),
            GaugeMetricFamily(
                "http_requests_in_flight", "HTTP requests under way.", labels=("service",)
            ),
        )


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    """Prometheus' buckets: each counts the requests that took no longer than its limit."""
    found: list[tuple[str, float]] = []
    so_far = 0
    for limit, count in zip((*map(float, BUCKETS), float("inf")), buckets, strict=True):
        so_far += count
        found.append(("+Inf" if limit == float("inf") else str(limit), float(so_far)))
    return found
