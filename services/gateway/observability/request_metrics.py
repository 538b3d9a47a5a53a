"""The request metrics that every service has, counted as plain numbers."""

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

from services.gateway.observability.plain_histograms import Durations
from shared.http.metrics import BUCKETS

_SERVICE: Final = "gateway"


class RequestMetrics(Collector):
    """Counts requests by method, route and status, their seconds, and those in progress."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series: dict[tuple[str, str, int], Durations] = {}
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
            series = self._series[method, route, status] = Durations(BUCKETS)
        series.add(seconds)

    def describe(self) -> Iterator[Metric]:
        """The metrics without values: the registry checks that their names are unique."""
        return iter(self._families())

    def collect(self) -> Iterator[Metric]:
        """The metrics, for a scrape."""
        total, duration, in_flight = self._families()
        durations: dict[tuple[str, str], Durations] = {}
        for (method, route, status), series in self._series.items():
            total.add_metric((_SERVICE, method, route, str(status)), series.count)
            durations.setdefault((method, route), Durations(BUCKETS)).include(series)
        for (method, route), found in durations.items():
            duration.add_metric((_SERVICE, method, route), found.buckets(), found.seconds)
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
