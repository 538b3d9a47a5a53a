"""Delivers bundles of events from a queue to a projection."""

from faststream.rabbit import RabbitBroker, RabbitMessage, RabbitQueue

from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.serialization import decode_bundle
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import EVENTS


def subscribe(
    broker: RabbitBroker, queue: RabbitQueue, runner: ProjectionRunner, metrics: MessageMetrics
) -> None:
    """Offer every bundle on ``queue`` to ``runner``; acknowledge it once its events are applied.

    A bundle that cannot be decoded or applied is delivered again, and moves to the dead-letter
    queue after the delivery limit. The projection reads its events from the log in any case.
    """

    async def whole(message: RabbitMessage) -> RabbitMessage:
        return message

    @broker.subscriber(queue, EVENTS, decoder=whole)
    async def _bundle(message: RabbitMessage) -> None:
        with metrics.processing(queue.name, message) as traces:
            await runner.offer(decode_bundle(message.body), traces)
