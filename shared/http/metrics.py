"""Prometheus metrics, in a registry of the process's own (no module-level state)."""

from typing import Final

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def create_registry() -> CollectorRegistry:
    """A registry with the process's own figures in it: memory, CPU, descriptors, collector."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class HttpMetrics:
    """Requests by service, method, route template and status; seconds; how many are under way."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._service = service
        self._total = Counter(
            "http_requests_total",
            "HTTP requests answered.",
            ("service", "method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ("service", "method", "route"),
            buckets=BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "http_requests_in_flight",
            "HTTP requests under way.",
            ("service",),
            registry=registry,
        ).labels(service)
        # Looking a series up costs more than counting; there are as few as there are routes.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def started(self) -> None:
        """A request came in."""
        self._in_flight.inc()

    def finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route`` is a template, so that the series stay few."""
        self._in_flight.dec()
        series = self._series.get((method, route, status))
        if series is None:
            series = self._series[method, route, status] = (
                self._total.labels(self._service, method, route, str(status)),
                self._seconds.labels(self._service, method, route),
            )
        series[0].inc()
        series[1].observe(seconds)


def metrics_route(registry: CollectorRegistry) -> HTTPRouteHandler:
    """``/metrics`` in Prometheus' text format."""

    @get("/metrics", include_in_schema=False, media_type=MediaType.TEXT)
    async def metrics() -> Response[bytes]:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return metrics
