"""From a queue of bundled events into a projection."""

from faststream.rabbit import RabbitBroker, RabbitMessage, RabbitQueue

from shared.event_store.projection import ProjectionRunner
from shared.event_store.wire import decode_bundle
from shared.messaging.topology import EVENTS


def subscribe(broker: RabbitBroker, queue: RabbitQueue, runner: ProjectionRunner) -> None:
    """Hand every bundle on ``queue`` to ``runner``; acknowledged once its checkpoint is past it.

    A bundle that cannot be decoded, or that cannot be applied now, is delivered again, and ends
    in the dead-letter queue when the limit is reached; its events come from the log all the same.
    """

    async def raw(message: RabbitMessage) -> bytes:
        return message.body

    @broker.subscriber(queue, EVENTS, decoder=raw)
    async def _bundle(body: bytes) -> None:
        await runner.offer(decode_bundle(body))
