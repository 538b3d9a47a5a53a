"""From RabbitMQ to the projection: deleted videos and users."""

from typing import Final

from faststream.rabbit import RabbitBroker

from services.ingest.projections import PendingDeletions
from shared.event_store.projections.projection import ProjectionRunner
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import projection_queue

SCHEMA: Final = "ingest"
EVENTS: Final = projection_queue(SCHEMA, PendingDeletions.name)


def consume_events(broker: RabbitBroker, runner: ProjectionRunner, metrics: MessageMetrics) -> None:
    """Hand every bundle to ``runner``. While RabbitMQ is away, the runner polls the log."""
    subscribe(broker, EVENTS, runner, metrics)
