"""The work queues: planner sends, workers take."""

import asyncio
from typing import Final

import msgspec
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from services.transcoder.scheduler import Picked, QueueName
from services.transcoder.worker import Worker
from shared.messaging.topology import work_queue
from shared.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0

QUEUES: Final[dict[QueueName, RabbitQueue]] = {
    "urgent": work_queue("transcoder.urgent"),
    "bulk": work_queue("transcoder.bulk"),
}


class TaskMessage(msgspec.Struct, frozen=True):
    """Names a task; everything else is in the table."""

    task_id: str
    dispatch: int


class RabbitTaskQueue:
    """Publishes tasks with confirmation."""

    def __init__(self, broker: RabbitBroker) -> None:
        self._broker = broker

    async def send(self, queue: QueueName, task: Picked) -> None:
        await self._broker.publish(
            msgspec.json.encode(TaskMessage(task.task_id, task.dispatch)),
            queue=QUEUES[queue].name,
            content_type="application/json",
            persist=True,
            mandatory=True,
            timeout=10,
        )


def take_tasks(broker: RabbitBroker, worker: Worker, slots: int) -> None:
    """Subscribe ``worker`` to both queues, ``slots`` messages of each at a time.

    A message is acknowledged when its task has ended in an event or is back in the table.
    """

    async def read(message: RabbitMessage) -> tuple[bytes, bool]:
        return message.body, bool(message.raw_message.redelivered)

    async def handle(delivered: tuple[bytes, bool]) -> None:
        body, redelivered = delivered
        try:
            task = msgspec.json.decode(body, type=TaskMessage)
        except msgspec.MsgspecError:
            _log.error("a message names no task", size=len(body))
            return
        try:
            await worker.handle(task.task_id, task.dispatch, redelivered=redelivered)
        except Exception as error:
            # The message goes back; should it end in the dead-letter queue, the planner sends
            # the task again.
            _log.warning("a message goes back", task=task.task_id, error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)
            raise

    for queue in QUEUES.values():
        subscriber = broker.subscriber(
            queue, decoder=read, channel=Channel(prefetch_count=slots, on_return_raises=True)
        )
        subscriber(handle)
