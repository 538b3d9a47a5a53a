"""Consumers that check whether the broker still delivers to them.

The client library reconnects by itself and restores its consumers, but it may fail in that without
an error, and other consumers of the queue hide it. So a session ends with its connection, and the
next one starts with a new connection. The library does not notice either that a queue was deleted.

A broker that is killed while it creates a queue, or that loses power, may list that queue later
without being able to serve it: its consumers are disconnected or never hear anything, and its
publishers wait forever. Messages are only hints,
because every consumer also reads the log, so such a queue is deleted and declared again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import aio_pika
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ConnectionInternalError
from faststream.rabbit import RabbitBroker, RabbitQueue

from shared.loops.cancellation import no_foreign_cancellation
from shared.loops.waiting import wait_for_event
from shared.messaging.topology import declare
from shared.telemetry import get_logger

_log = get_logger(__name__)

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 1.0
# Consecutive checks that find a queue without a consumer: a single one may meet a reconnection.
_STRIKES: Final = 2


class ConsumingStopped(ConnectionError):
    """The broker no longer delivers to this process, which must open a new connection."""


async def consume(
    broker: RabbitBroker, *queues: RabbitQueue, alive: Callable[[], None] = lambda: None
) -> NoReturn:
    """Declare ``queues`` and run the subscribers of a connected broker until they must reconnect.

    ``alive`` is called before each check of the queues, every few seconds.

    Raises ConsumingStopped, and the broker's error where declaring or starting fails.
    """
    with no_foreign_cancellation():
        await _consume(broker, queues, alive)


async def _consume(
    broker: RabbitBroker, queues: Sequence[RabbitQueue], alive: Callable[[], None]
) -> NoReturn:
    lost = await _watch(broker)
    connection = await broker.connect()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await declare(broker, *queues)
            await broker.start()
    except (ConnectionInternalError, TimeoutError) as error:
        url = str(connection.url)
        # After a loss of power the broker may take a minute to say that it cannot serve a queue.
        names = [queue.name for queue in queues if not await _is_readable(url, queue.name)]
        if not names:
            raise
        _log.warning(
            "queues cannot be served and are declared again", queues=names, error=repr(error)
        )
        await _remove(url, names)
        raise ConsumingStopped("the queues are declared again") from error
    strikes = 0
    while True:
        await _wait(lost, alive)
        strikes = 0 if await _is_served(connection, queues) else strikes + 1
        if strikes >= _STRIKES:
            _log.warning("queues have no consumer", queues=[queue.name for queue in queues])
            raise ConsumingStopped("the broker no longer delivers")


async def hold(broker: RabbitBroker, *, alive: Callable[[], None] = lambda: None) -> NoReturn:
    """Wait until a connected broker loses its connection. ``alive``: see ``consume``.

    Raises ConsumingStopped.
    """
    lost = await _watch(broker)
    while True:
        await _wait(lost, alive)


async def _watch(broker: RabbitBroker) -> asyncio.Event:
    """An event that is set when the present connection is lost."""
    connection = await broker.connect()
    lost = asyncio.Event()

    def connection_lost(*_arguments: object) -> None:
        lost.set()

    connection.close_callbacks.add(connection_lost)
    connection.reconnect_callbacks.add(connection_lost)
    return lost


async def _wait(lost: asyncio.Event, alive: Callable[[], None]) -> None:
    """Wait until the next check. Raises ConsumingStopped where the connection is lost."""
    alive()
    await wait_for_event(lost, _LOOK_SECONDS)
    if lost.is_set():
        raise ConsumingStopped("the connection to the broker was lost")


async def _is_served(
    connection: aio_pika.abc.AbstractRobustConnection, queues: Sequence[RabbitQueue]
) -> bool:
    """Whether every queue exists and has a consumer."""
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


async def _is_readable(url: str, name: str) -> bool:
    """Whether the broker reads a message of a queue, or says that there is none.

    Raises the error of connecting: a broker that is away says nothing about its queues.
    """
    async with asyncio.timeout(_ANSWER_SECONDS):
        connection = await aio_pika.connect(url)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            queue = await (await connection.channel()).get_queue(name, ensure=False)
            message = await queue.get(fail=False)
            if message is not None:
                await message.nack(requeue=True)
    except (AMQPError, OSError, RuntimeError, TimeoutError):
        return False
    else:
        return True
    finally:
        # A channel that waits for such a queue answers no request to close it either.
        await asyncio.wait({asyncio.ensure_future(connection.close())}, timeout=_CLOSE_SECONDS)


async def _remove(url: str, names: list[str]) -> None:
    async with asyncio.timeout(_ANSWER_SECONDS):
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            for name in names:
                await channel.queue_delete(name)
