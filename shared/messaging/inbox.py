"""From a queue of bundled events into a projection."""

from faststream.rabbit import RabbitBroker, RabbitMessage, RabbitQueue

from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.serialization import decode_bundle
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import EVENTS


def subscribe(
    broker: RabbitBroker, queue: RabbitQueue, runner: ProjectionRunner, metrics: MessageMetrics
) -> None:
    """Hand every bundle on ``queue`` to ``runner``; acknowledged once its checkpoint is past it.

    A bundle that cannot be decoded, or that cannot be applied now, is delivered again, and ends
    in the dead-letter queue when the limit is reached; its events come from the log all the same.
    """

    async def whole(message: RabbitMessage) -> RabbitMessage:
        return message

    @broker.subscriber(queue, EVENTS, decoder=whole)
    async def _bundle(message: RabbitMessage) -> None:
        with metrics.processing(queue.name, message) as traces:
            await runner.offer(decode_bundle(message.body), traces)
