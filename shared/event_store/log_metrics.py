"""Metrics of the log: appends, their duration and conflicts."""

import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.contracts import category_of
from shared.event_store.store import WrongExpectedVersion
from shared.telemetry import child_span, exemplar

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class LogMetrics:
    """Measures one process's appends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "cinelog_log_append_seconds",
            "Seconds until an append was durable.",
            ("category",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._events = Counter(
            "cinelog_log_appended_events", "Events appended.", ("category",), registry=registry
        )
        self._conflicts = Counter(
            "cinelog_log_append_conflicts",
            "Appends that found their stream changed.",
            ("category",),
            registry=registry,
        )
        self._categories: dict[str, _CategoryMetrics] = {}

    def appending(self, stream_id: str, events: int) -> AbstractContextManager[None]:
        """A context around one append of ``events`` events."""
        category = category_of(stream_id)
        metrics = self._categories.get(category)
        if metrics is None:
            metrics = self._categories[category] = _CategoryMetrics(
                self._seconds.labels(category),
                self._events.labels(category),
                self._conflicts.labels(category),
            )
        if trace.get_current_span() is trace.INVALID_SPAN:
            # The common case, tens of thousands of times a second: no span.
            return _Untraced(metrics, events)
        return _traced(metrics, stream_id, category, events)


class _CategoryMetrics(NamedTuple):
    """The metrics of one category. Looking them up by label costs as much as an observation."""

    seconds: Histogram
    events: Counter
    conflicts: Counter


class _Untraced(AbstractContextManager[None]):
    __slots__ = ("_began", "_events", "_metrics")

    def __init__(self, metrics: _CategoryMetrics, events: int) -> None:
        self._metrics = metrics
        self._events = events

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is None:
            self._metrics.seconds.observe(time.perf_counter() - self._began)
            self._metrics.events.inc(self._events)
        elif issubclass(kind, WrongExpectedVersion):
            self._metrics.conflicts.inc()


@contextmanager
def _traced(
    metrics: _CategoryMetrics, stream_id: str, category: str, events: int
) -> Generator[None]:
    began = time.perf_counter()
    with child_span(
        "log append", {"log.stream": stream_id, "log.category": category, "log.events": events}
    ) as span:
        try:
            yield
        except WrongExpectedVersion:
            # No failure: the command is decided again.
            span.set_attribute("log.conflict", True)
            span.set_status(StatusCode.OK)
            metrics.conflicts.inc()
            raise
        metrics.seconds.observe(time.perf_counter() - began, exemplar())
    metrics.events.inc(events)
