"""What is recorded of each request: metrics, a trace, a line of the access log."""

from time import time
from typing import Final

from services.gateway.observability.access_log import AccessLog, Entry
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Trace, Tracing
from services.gateway.request.exchange import Exchange
from shared.http.metrics import HttpMetrics

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Probes come every few seconds and would fill the log.
_NOT_LOGGED: Final = frozenset({"/health", "/ready"})


class RequestObserver:
    """Records the beginning and the end of each request."""

    def __init__(
        self, tracing: Tracing, metrics: RequestMetrics | HttpMetrics, access_log: AccessLog
    ) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._access_log = access_log

    def begin(self, method: str, traceparent: bytes) -> Trace:
        """A request has arrived; returns its trace."""
        self._metrics.started()
        return self._tracing.begin(method, traceparent)

    def end(self, exchange: Exchange, seconds: float) -> None:
        """The request was answered, ``seconds`` after its headers had arrived."""
        method = exchange.method if exchange.method in METHODS else "OTHER"
        route, status, trace = exchange.route, exchange.status, exchange.trace
        self._metrics.finished(method, route, status, seconds)
        self._tracing.end(trace, method, route, status)
        if route in _NOT_LOGGED:
            return
        self._access_log.add(
            Entry(
                time(),
                method,
                route,
                exchange.path,
                status,
                seconds,
                exchange.sent,
                exchange.client,
                exchange.user,
                exchange.target,
                trace.trace_id,
                trace.span_id,
            )
        )
