"""Prometheus metrics, in a registry of the process's own (no module-level state)."""

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
    """A registry with the process's own figures in it: memory, CPU, descriptors, collector.

    With an endpoint, all that is in it is sent there too.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    if otlp_endpoint:
        export_metrics(registry, otlp_endpoint)
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

    def finished(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        exemplar: dict[str, str] | None = None,
    ) -> None:
        """A request was answered. ``route`` is a template, so that the series stay few."""
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
    """Adds to each duration the trace that it was measured in, where that is kept."""

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
    """``/metrics`` as Prometheus asks for it: OpenMetrics, with exemplars, or its older text."""

    @get("/metrics", include_in_schema=False, media_type=MediaType.TEXT)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return metrics
