"""The queue through which the projector hears of events."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from faststream.rabbit import RabbitBroker

from shared.event_store.projections.projection import ProjectionRunner
from shared.messaging.consuming import consume
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import projection_queue


async def consume_events(
    broker: RabbitBroker,
    connected: Callable[[RabbitBroker], AbstractAsyncContextManager[RabbitBroker]],
    runner: ProjectionRunner,
    metrics: MessageMetrics,
) -> None:
    """Hand bundles to ``runner`` until cancelled; waits for the broker as long as it takes.

    Without a broker the runner polls the log, so nothing is lost by waiting here.
    """
    service, _, projection = runner.name.partition(".")
    queue = projection_queue(service, projection)
    subscribe(broker, queue, runner, metrics)
    async with connected(broker):
        await consume(broker, queue)
