"""The work queues: the coordinator sends tasks, workers take them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from services.transcoder.scheduler.dispatcher import PickedTask
from services.transcoder.scheduler.tasks import QueueName
from services.transcoder.worker.worker import Worker
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import work_queue
from shared.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0

QUEUES: Final[dict[QueueName, RabbitQueue]] = {
    "urgent": work_queue("transcoder.urgent"),
    "bulk": work_queue("transcoder.bulk"),
}


class TaskMessage(msgspec.Struct, frozen=True):
    """The body of a message: it names a task, whose row is in the tasks table."""

    task_id: str
    dispatch: int


class RabbitTaskQueue:
    """Sends tasks over RabbitMQ, with publisher confirms."""

    def __init__(self, broker: RabbitBroker, metrics: MessageMetrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def send(self, queue: QueueName, task: PickedTask) -> None:
        name = QUEUES[queue].name
        with self._metrics.publishing(name, [task.traceparent]) as headers:
            await self._broker.publish(
                msgspec.json.encode(TaskMessage(task.task_id, task.dispatch)),
                queue=name,
                headers=headers,
                content_type="application/json",
                persist=True,
                mandatory=True,
                timeout=10,
            )


def take_tasks(broker: RabbitBroker, worker: Worker, slots: int, metrics: MessageMetrics) -> None:
    """Subscribe ``worker`` to both queues, with up to ``slots`` messages of each at a time.

    A message is acknowledged when its task has ended in an event or is given back to the table.
    """

    async def whole(message: RabbitMessage) -> RabbitMessage:
        return message

    async def handle(message: RabbitMessage, queue: str) -> None:
        try:
            task = msgspec.json.decode(message.body, type=TaskMessage)
        except msgspec.MsgspecError:
            _log.error("message without a task", size=len(message.body))
            return
        redelivered = bool(message.raw_message.redelivered)
        try:
            with metrics.processing(queue, message):
                await worker.handle(task.task_id, task.dispatch, redelivered=redelivered)
        except Exception as error:
            # The broker redelivers the message. If it ends in the dead-letter queue, the
            # coordinator sends the task again.
            _log.warning("message returned to its queue", task=task.task_id, error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)
            raise

    for queue in QUEUES.values():
        subscriber = broker.subscriber(
            queue, decoder=whole, channel=Channel(prefetch_count=slots, on_return_raises=True)
        )
        subscriber(_of_queue(handle, queue.name))


def _of_queue(
    handle: Callable[[RabbitMessage, str], Awaitable[None]], queue: str
) -> Callable[[RabbitMessage], Awaitable[None]]:
    async def handle_here(message: RabbitMessage) -> None:
        await handle(message, queue)

    return handle_here
