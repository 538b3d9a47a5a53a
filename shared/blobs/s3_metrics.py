"""Traces and metrics of calls to S3, by botocore's event hooks."""

import time
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.telemetry import exemplar, tracer

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_CALL: Final = "cinelog_call"
# Statuses that describe an object, not a failure of the storage.
_EXPECTED: Final = frozenset({304, 404, 412, 416})


class S3Metrics:
    """Measures the calls of clients. Operations are a fixed set of names, such as PutObject."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "cinelog_s3_request_seconds",
            "Seconds until S3 had answered, its retries included.",
            ("operation",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "cinelog_s3_errors",
            "Calls that S3 refused or did not answer.",
            ("operation", "kind"),
            registry=registry,
        )

    def attach(self, client: Any) -> None:
        """Measure a client of aioboto3, whose types are dynamic."""
        events = client.meta.events
        events.register("before-call.s3", self._begin)
        events.register("after-call.s3", self._end)
        events.register("after-call-error.s3", self._fail)

    def _begin(self, model: Any, context: dict[str, Any], **_: Any) -> None:
        span: Span | None = None
        if trace.get_current_span().is_recording():
            span = tracer().start_span(
                f"s3 {model.name}", kind=SpanKind.CLIENT, attributes={"rpc.system": "aws-api"}
            )
        context[_CALL] = (model.name, time.perf_counter(), span)

    def _end(self, http_response: Any, context: dict[str, Any], **_: Any) -> None:
        status = int(http_response.status_code)
        self._ended(context, "" if status < 300 or status in _EXPECTED else str(status))

    def _fail(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        self._ended(context, type(exception).__name__)

    def _ended(self, context: dict[str, Any], problem: str) -> None:
        call: tuple[str, float, Span | None] | None = context.pop(_CALL, None)
        if call is None:
            return
        operation, began, span = call
        self._seconds.labels(operation).observe(time.perf_counter() - began, exemplar())
        if problem:
            self._errors.labels(operation, problem).inc()
        if span is not None:
            if problem:
                span.set_status(StatusCode.ERROR, problem)
            span.end()
