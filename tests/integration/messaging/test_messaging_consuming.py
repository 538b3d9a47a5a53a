"""Consuming that begins anew when the broker no longer delivers."""

import asyncio

import pytest

from shared.messaging import consuming
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import ConsumingStopped, consume
from shared.messaging.topology import projection_queue
from tests.support.brokers import Broker
from tests.support.wait import eventually

QUEUE = projection_queue("tests", "consuming")


async def heard_by(amqp_url: str, heard: list[bytes]) -> None:
    """One life of a consumer."""
    broker = create_broker(amqp_url)

    @broker.subscriber(QUEUE, decoder=lambda message: message.body)
    async def hear(body: bytes) -> None:
        heard.append(body)

    async with connected(broker):
        await consume(broker, QUEUE)


async def test_a_consumer_hears_and_a_queue_that_nobody_serves_ends_it(
    amqp_url: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "_LOOK_SECONDS", 0.1)
    heard: list[bytes] = []
    running = asyncio.create_task(heard_by(amqp_url, heard))

    async def said() -> bool:
        async with create_broker(amqp_url) as sender:
            await sender.publish(b"hello", queue=QUEUE.name)
        return bool(heard)

    try:
        await eventually(lambda: QUEUE.name in broker.queues(), timeout=60)
        await eventually(said, timeout=60)
        # The client itself does not notice, or not before long.
        monkeypatch.setattr(consuming, "_is_served", _unserved)
        with pytest.raises(ConsumingStopped):
            await running
    finally:
        running.cancel()


async def _unserved(*_arguments: object) -> bool:
    return False
