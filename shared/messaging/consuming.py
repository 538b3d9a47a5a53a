"""Consuming that notices when it no longer does.

A client library reconnects by itself, but it does not notice that a queue was deleted under it,
and a broker that is killed while it creates a queue may know that queue later without being able
to serve it: whoever consumes is disconnected, whoever publishes waits without end. Messages here
are hints and the log is the truth, so such a queue is simply removed and made anew.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

import aio_pika
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ConnectionInternalError
from faststream.rabbit import RabbitBroker, RabbitQueue

from shared.messaging.topology import declare
from shared.telemetry import get_logger

_log = get_logger(__name__)

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 20.0
# How often in a row a queue must be found without a consumer: one look may meet a reconnection.
_STRIKES: Final = 2


class ConsumingStopped(ConnectionError):
    """The broker no longer delivers to us: begin anew, with a new connection."""


async def consume(
    broker: RabbitBroker, *queues: RabbitQueue, alive: Callable[[], None] = lambda: None
) -> NoReturn:
    """Declare ``queues`` and run the subscribers of a connected broker, until it must begin anew.

    ``alive`` is called before each look at the queues, every few seconds.

    Raises ConsumingStopped, or whatever keeps it from beginning.
    """
    connection = await broker.connect()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await declare(broker, *queues)
            await broker.start()
    except ConnectionInternalError as error:
        names = [queue.name for queue in queues]
        _log.warning("queues cannot be served and are made anew", queues=names, error=repr(error))
        await _remove(str(connection.url), names)
        raise ConsumingStopped("the queues are made anew") from error
    strikes = 0
    while True:
        alive()
        await asyncio.sleep(_LOOK_SECONDS)
        strikes = 0 if await _is_served(connection, queues) else strikes + 1
        if strikes >= _STRIKES:
            _log.warning("queues are without us", queues=[queue.name for queue in queues])
            raise ConsumingStopped("the broker does not deliver to us any more")


async def _is_served(
    connection: aio_pika.abc.AbstractRobustConnection, queues: tuple[RabbitQueue, ...]
) -> bool:
    """Whether every queue exists and somebody consumes it."""
    try:
        async with (
            asyncio.timeout(_ANSWER_SECONDS),
            aio_pika.Channel(connection) as channel,
        ):
            for queue in queues:
                found = await channel.declare_queue(queue.name, passive=True)
                if not found.declaration_result.consumer_count:
                    return False
    except (AMQPError, OSError, RuntimeError, TimeoutError):
        return False
    return True


async def _remove(url: str, names: list[str]) -> None:
    async with asyncio.timeout(_ANSWER_SECONDS):
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            for name in names:
                await channel.queue_delete(name)
