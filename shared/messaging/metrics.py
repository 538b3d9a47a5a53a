"""Spans and metrics of messages.

FastStream's own middleware supports one trace per message and replaces a ``traceparent`` header.
A message here bundles events of several traces, so it has a list of them.
"""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

from faststream.rabbit import RabbitMessage
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.telemetry import exemplar, span_in_each

TRACEPARENT: Final = "traceparent"
TRACES: Final = "cinelog-traces"
"""A header with the traceparents of several traces, separated by commas."""

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600)


class MessageMetrics:
    """Measures one process's messages. Queues and exchanges are a fixed set of names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._published = Histogram(
            "cinelog_message_publish_seconds",
            "Seconds until the broker had confirmed a message.",
            ("destination", "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._processed = Histogram(
            "cinelog_message_process_seconds",
            "Seconds from a message's delivery until it was done or went back.",
            ("queue", "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._redelivered = Counter(
            "cinelog_messages_redelivered",
            "Messages that came again.",
            ("queue",),
            registry=registry,
        )

    @contextmanager
    def publishing(
        self, destination: str, parents: Iterable[str | None], events: int = 1
    ) -> Generator[dict[str, Any]]:
        """A context around publishing one message; yields the headers that propagate its traces.

        ``parents`` are the traceparents of the ``events`` events in the message.
        """
        known = [parent for parent in dict.fromkeys(parents) if parent is not None]
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": destination,
            "messaging.operation.type": "send",
            "messaging.batch.message_count": events,
        }
        with span_in_each(
            f"{destination} publish", known, attributes, kind=SpanKind.PRODUCER
        ) as spans:
            own = list(spans.values()) or known[:1]
            headers: dict[str, Any] = {TRACEPARENT: own[0]} if own else {}
            if len(own) > 1:
                headers[TRACES] = ",".join(own)
            with _timed(self._published, destination, "confirmed", "failed"):
                yield headers

    @contextmanager
    def processing(self, queue: str, message: RabbitMessage) -> Generator[dict[str, str]]:
        """A context around handling a message; yields each trace id with its span's traceparent."""
        if message.raw_message.redelivered:
            self._redelivered.labels(queue).inc()
        headers: dict[str, Any] = message.headers
        listed = headers.get(TRACES) or headers.get(TRACEPARENT)
        parents = listed.split(",") if isinstance(listed, str) else []
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": queue,
            "messaging.operation.type": "process",
        }
        with (
            span_in_each(f"{queue} process", parents, attributes, kind=SpanKind.CONSUMER) as spans,
            _timed(self._processed, queue, "done", "returned"),
        ):
            yield spans


@contextmanager
def _timed(histogram: Histogram, name: str, well: str, badly: str) -> Generator[None]:
    began, outcome = time.perf_counter(), badly
    try:
        yield
        outcome = well
    finally:
        histogram.labels(name, outcome).observe(time.perf_counter() - began, exemplar())
