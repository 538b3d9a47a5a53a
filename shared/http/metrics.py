"""Prometheus metrics, in a registry that each process creates for itself."""

from typing import Any, Final

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from shared.telemetry import exemplar as current_exemplar
from shared.telemetry import export_metrics

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def create_registry(otlp_endpoint: str | None = None) -> CollectorRegistry:
    """A registry that measures the process: memory, CPU, file descriptors, garbage collector.

    With an endpoint, all of its metrics are also sent there.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    if otlp_endpoint:
        export_metrics(registry, otlp_endpoint)
    return registry


class HttpMetrics:
    """Counts requests by service, method, route template and status; measures their duration."""

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
        # Looking up a series costs more than counting; there are few, one per route and status.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def started(self) -> None:
        """A request has begun."""
        self._in_flight.inc()

    def finished(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        exemplar: dict[str, str] | None = None,
    ) -> None:
        """A request has ended. ``route`` is a template, which limits the number of series."""
        self._in_flight.dec()
        series = self._series.get((method, route, status))
        if series is None:
            series = self._series[method, route, status] = (
                self._total.labels(self._service, method, route, str(status)),
                self._seconds.labels(self._service, method, route),
            )
        series[0].inc()
        series[1].observe(seconds, exemplar)


class TracedHttpMetrics(HttpMetrics):
    """Adds an exemplar to each duration whose trace is sampled."""

    def finished(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        exemplar: dict[str, str] | None = None,
    ) -> None:
        super().finished(method, route, status, seconds, exemplar or current_exemplar())


def metrics_route(registry: CollectorRegistry) -> HTTPRouteHandler:
    """``/metrics`` in the format that Prometheus asks for: OpenMetrics with exemplars, or text."""

    @get("/metrics", include_in_schema=False, media_type=MediaType.TEXT)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return metrics
