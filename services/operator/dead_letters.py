"""Dead-letter queues: lists, redrives and drops their messages."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, HeadersType
from aiormq.exceptions import ChannelNotFoundEntity

_FIRST_BYTES = 2000


class Letter(msgspec.Struct, frozen=True):
    """A message whose handling failed. ``number`` is its place in its queue, from 1."""

    queue: str
    number: int
    message_id: str | None
    reason: str
    tries: int
    died_at: datetime | None
    size: int
    body: str


class QueueLetters:
    """The dead-letter queues of the queues named. Open it with ``open_queue_letters``."""

    def __init__(self, channel_of: Callable[[], AbstractChannel], queues: list[str]) -> None:
        self._channel_of = channel_of
        self._queues = queues

    async def look(self, queue: str | None = None) -> list[Letter]:
        """The messages of all queues or of one. Every message stays where it is."""
        found: list[Letter] = []
        for name in [queue] if queue else self._queues:
            async with self._messages(name) as messages:
                found += [_letter(name, i, m) for i, m in enumerate(messages, start=1)]
        return found

    async def redrive(self, queue: str, number: int | None) -> int:
        """Return messages to their original queue, all or one; returns their number."""
        count = 0
        async with self._messages(queue) as messages:
            for place, message in enumerate(messages, start=1):
                if number in (None, place):
                    await self._send_back(queue, message)
                    await message.ack()
                    count += 1
        return count

    async def drop(self, queue: str, number: int | None) -> int:
        """Delete messages, all or one; returns their number."""
        count = 0
        async with self._messages(queue) as messages:
            for place, message in enumerate(messages, start=1):
                if number in (None, place):
                    await message.ack()
                    count += 1
        return count

    async def _send_back(self, queue: str, message: AbstractIncomingMessage) -> None:
        async with self._channel_of() as channel:
            headers: HeadersType = {
                key: value
                for key, value in message.headers.items()
                if not key.startswith("x-") and key != "CC"
            }
            copy = aio_pika.Message(
                message.body,
                headers=headers,
                content_type=message.content_type,
                message_id=message.message_id,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            # Publish before acknowledging: a duplicate is harmless, a lost message is not.
            await channel.default_exchange.publish(copy, routing_key=queue, mandatory=True)

    @asynccontextmanager
    async def _messages(self, queue: str) -> AsyncGenerator[list[AbstractIncomingMessage]]:
        """Everything in a dead-letter queue; what is not acknowledged goes back to it."""
        messages: list[AbstractIncomingMessage] = []
        channel = self._channel_of()
        await channel.initialize()
        try:
            try:
                dead = await channel.declare_queue(f"{queue}.dead", passive=True)
            except ChannelNotFoundEntity:
                yield messages
                return
            while (message := await dead.get(no_ack=False, fail=False)) is not None:
                messages.append(message)
            yield messages
        finally:
            # Closing gives back what was only looked at.
            await channel.close()


def _letter(queue: str, number: int, message: AbstractIncomingMessage) -> Letter:
    headers: dict[str, Any] = dict(message.headers)
    death: dict[str, Any] = (headers.get("x-death") or [{}])[0]
    return Letter(
        queue=queue,
        number=number,
        message_id=message.message_id,
        reason=str(death.get("reason", "unknown")),
        tries=int(headers.get("x-delivery-count") or death.get("count") or 0),
        died_at=death.get("time"),
        size=len(message.body),
        body=message.body[:_FIRST_BYTES].decode(errors="replace"),
    )


@asynccontextmanager
async def open_queue_letters(url: str, queues: list[str]) -> AsyncGenerator[QueueLetters]:
    """Connected to the broker; raises OSError or AMQP errors where that is away."""
    async with await aio_pika.connect(url, timeout=10) as connection:
        yield QueueLetters(lambda: connection.channel(on_return_raises=True), queues)
