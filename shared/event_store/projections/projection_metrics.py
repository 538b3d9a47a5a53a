"""Spans and metrics of projections: their lag, and the delay from append to applied."""

import time
from collections import Counter as Tally
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.event_store.projections.projection_tables import PARKED_CAUSES
from shared.event_store.store import EventStore, SequencedEvent
from shared.telemetry import exemplar, span_in_each

MEASURE_SECONDS: Final = 1.0
# Older events get no spans: their traces ended long ago.
_TRACED_SECONDS: Final = 600.0
_DELAYS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class ProjectionMetrics:
    """Measures the projections of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._position = Gauge(
            "cinelog_projection_position",
            "The last event applied.",
            ("projection",),
            registry=registry,
        )
        self._behind = Gauge(
            "cinelog_projection_behind",
            "Sequenced events that are not applied yet.",
            ("projection",),
            registry=registry,
        )
        self._behind_seconds = Gauge(
            "cinelog_projection_behind_seconds",
            "Age of the oldest sequenced event that is not applied yet.",
            ("projection",),
            registry=registry,
        )
        self._delay = Histogram(
            "cinelog_projection_delay_seconds",
            "Seconds from append to applied, of the oldest event of each commit.",
            ("projection",),
            buckets=_DELAYS,
            registry=registry,
        )
        self._applied = Counter(
            "cinelog_projection_events",
            "Events applied.",
            ("projection", "type"),
            registry=registry,
        )
        self._parked = Counter(
            "cinelog_projection_parked",
            "Events that could not be applied and were put aside.",
            ("projection",),
            registry=registry,
        )

        self._waiting = Gauge(
            "cinelog_projection_parked_events",
            "Events that are parked now: unreadable, failed, or behind one of these.",
            ("projection", "cause"),
            registry=registry,
        )

    @contextmanager
    def committing(
        self, name: str, events: Sequence[SequencedEvent], traces: Mapping[str, str]
    ) -> Generator[None]:
        """A context around applying ``events`` and advancing the checkpoint.

        ``traces`` maps trace ids to the spans of messages; other traces continue from their
        events.
        """
        oldest = events[0].recorded_at.timestamp()
        recent = time.time() - oldest < _TRACED_SECONDS
        parents = (event.metadata.traceparent for event in events if recent)
        own = (traces.get(parent[3:35], parent) for parent in parents if parent is not None)
        attributes = {"projection.name": name, "projection.events": len(events)}
        with span_in_each(f"project {name}", own, attributes):
            yield
            seconds = max(0.0, time.time() - oldest)
            self._delay.labels(name).observe(seconds, exemplar())
        for type_, count in Tally(event.type for event in events).items():
            self._applied.labels(name, type_).inc(count)

    def parked(self, name: str) -> None:
        """An event was parked."""
        self._parked.labels(name).inc()

    async def measure(self, name: str, position: int, store: EventStore) -> None:
        """Set the gauges of a projection that has applied the events up to ``position``."""
        self._parked.labels(name)
        self._position.labels(name).set(position)
        behind = max(0, await store.head() - position)
        waiting = await store.read_all(position, 1) if behind else []
        age = time.time() - waiting[0].recorded_at.timestamp() if waiting else 0.0
        self._behind.labels(name).set(behind)
        self._behind_seconds.labels(name).set(max(0.0, age))

    def waiting(self, name: str, parked: Mapping[str, int]) -> None:
        """Set how many events are parked, by cause."""
        for cause in PARKED_CAUSES:
            self._waiting.labels(name, cause).set(parked.get(cause, 0))

    def clear(self) -> None:
        """Remove the gauges, because another process leads and measures now."""
        for gauge in (self._position, self._behind, self._behind_seconds, self._waiting):
            gauge.clear()
