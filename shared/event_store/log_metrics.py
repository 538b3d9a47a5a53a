"""Figures of the log: appends, what they take, and how often somebody else was first."""

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
    """Watches one process's use of the log."""

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
        self._figures: dict[str, _Figures] = {}

    def appending(self, stream_id: str, events: int) -> AbstractContextManager[None]:
        """Around one append of so many events."""
        category = category_of(stream_id)
        figures = self._figures.get(category)
        if figures is None:
            figures = self._figures[category] = _Figures(
                self._seconds.labels(category),
                self._events.labels(category),
                self._conflicts.labels(category),
            )
        if trace.get_current_span() is trace.INVALID_SPAN:
            # Tens of thousands a second go this way.
            return _Untraced(figures, events)
        return _traced(figures, stream_id, category, events)


class _Figures(NamedTuple):
    """Those of one category; looking them up by their label costs as much as all the rest."""

    seconds: Histogram
    events: Counter
    conflicts: Counter


class _Untraced(AbstractContextManager[None]):
    __slots__ = ("_began", "_events", "_figures")

    def __init__(self, figures: _Figures, events: int) -> None:
        self._figures = figures
        self._events = events

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is None:
            self._figures.seconds.observe(time.perf_counter() - self._began)
            self._figures.events.inc(self._events)
        elif issubclass(kind, WrongExpectedVersion):
            self._figures.conflicts.inc()


@contextmanager
def _traced(figures: _Figures, stream_id: str, category: str, events: int) -> Generator[None]:
    began = time.perf_counter()
    with child_span(
        "log append", {"log.stream": stream_id, "log.category": category, "log.events": events}
    ) as span:
        try:
            yield
        except WrongExpectedVersion:
            # The command is decided again: nothing has failed.
            span.set_attribute("log.conflict", True)
            span.set_status(StatusCode.OK)
            figures.conflicts.inc()
            raise
        figures.seconds.observe(time.perf_counter() - began, exemplar())
    figures.events.inc(events)
