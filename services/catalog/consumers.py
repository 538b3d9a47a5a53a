"""The queue that delivers events to the projector."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from faststream.rabbit import RabbitBroker

from shared.event_store.projections.projection import ProjectionRunner
from shared.loops.loops import Loops
from shared.loops.progress import LoopProgress
from shared.messaging.consuming import consume
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import projection_queue

Connect = Callable[[Callable[[], None]], AbstractAsyncContextManager[RabbitBroker]]
"""Opens a connection to the broker; calls its argument at each attempt."""


async def consume_events(
    loops: Loops, connect: Connect, runner: ProjectionRunner, metrics: MessageMetrics
) -> NoReturn:
    """Offer events from messages to ``runner`` until cancelled, reconnecting where necessary.

    Without a broker the runner polls the log, so no event is lost meanwhile.
    """
    service, _, projection = runner.name.partition(".")
    queue = projection_queue(service, projection)

    async def session(progress: LoopProgress) -> None:
        async with connect(progress.came_round) as broker:
            subscribe(broker, queue, runner, metrics)
            await consume(broker, queue, alive=progress.came_round)

    await loops.persist(f"consume {queue.name}", session)
