"""Every exchange and queue of Cinelog.

All queues are quorum queues (replicated, durable) with a delivery limit. A message that cannot be
handled moves to a dead-letter queue, where an operator can inspect and redrive it.
"""

from typing import Final

from faststream.rabbit import ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

EVENTS: Final = RabbitExchange("cinelog.events", type=ExchangeType.TOPIC, durable=True)
"""Events from the relay. The routing key is the event's type: a fixed set, never an id."""

DEAD: Final = RabbitExchange("cinelog.dead", type=ExchangeType.DIRECT, durable=True)

DELIVERY_LIMIT: Final = 20


def projection_queue(service: str, projection: str) -> RabbitQueue:
    """The queue that delivers every event to a projection."""
    return _quorum(f"{service}.{projection}", routing_key="#")


def work_queue(name: str) -> RabbitQueue:
    """A queue of tasks. Messages are published by its name through the default exchange."""
    return _quorum(name)


def _quorum(name: str, routing_key: str = "") -> RabbitQueue:
    return RabbitQueue(
        name,
        queue_type=QueueType.QUORUM,
        routing_key=routing_key,
        arguments={
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD.name,
            "x-dead-letter-routing-key": name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


async def declare(broker: RabbitBroker, *queues: RabbitQueue) -> None:
    """Declare the exchanges, and ``queues`` with a dead-letter queue each. Safe to repeat."""
    events = await broker.declare_exchange(EVENTS)
    dead = await broker.declare_exchange(DEAD)
    for queue in queues:
        parked = await broker.declare_queue(
            RabbitQueue(f"{queue.name}.dead", queue_type=QueueType.QUORUM)
        )
        await parked.bind(dead, routing_key=queue.name)
        declared = await broker.declare_queue(queue)
        if queue.routing_key:
            await declared.bind(events, routing_key=queue.routing_key)
