"""Consuming that begins anew when the broker no longer delivers."""

import asyncio

import pytest

from shared.loops.cancellation import end
from shared.messaging import consuming
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import ConsumingStopped, consume, hold
from shared.messaging.topology import projection_queue
from tests.support.brokers import Broker
from tests.support.road import Road
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
        await eventually(lambda: QUEUE.name in broker.queues())
        await eventually(said)
        # The client itself does not notice, or not before long.
        monkeypatch.setattr(consuming, "_is_served", _unserved)
        with pytest.raises(ConsumingStopped):
            await running
    finally:
        running.cancel()


async def test_a_silent_connection_ends_although_another_consumer_is_served(
    amqp_url: str, broker: Broker
) -> None:
    """Both consume one queue, so that it always has a consumer."""
    road = Road(f"{amqp_url}?heartbeat=1")
    await road.open()
    heard: list[bytes] = []
    others: list[bytes] = []
    far = asyncio.create_task(heard_by(road.url, heard))
    near = asyncio.create_task(heard_by(amqp_url, others))

    async def both_hear() -> bool:
        async with create_broker(amqp_url) as sender:
            await sender.publish(b"hello", queue=QUEUE.name)
        return bool(heard) and bool(others)

    try:
        await eventually(lambda: QUEUE.name in broker.queues())
        await eventually(both_hear)
        road.mute()
        # Also where the library lets a cancellation of its own out.
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(40):
                await far
        assert not near.done()
    finally:
        await end((far, near))
        await road.close()


@pytest.mark.parametrize("readable", [True, False])
async def test_a_queue_that_cannot_be_read_is_removed_after_a_start_without_an_answer(
    amqp_url: str, broker: Broker, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    """A broker that is only slow keeps its queues."""
    monkeypatch.setattr(consuming, "_ANSWER_SECONDS", 3.0)
    if not readable:
        monkeypatch.setattr(consuming, "_is_readable", _unserved)
    async with connected(create_broker(amqp_url)) as own:
        monkeypatch.setattr(own, "start", asyncio.Event().wait)
        with pytest.raises(TimeoutError if readable else ConsumingStopped):
            await consume(own, QUEUE)
    assert (QUEUE.name in broker.queues()) is readable


async def test_a_connection_that_is_only_held_ends_when_it_is_closed(
    amqp_url: str, broker: Broker
) -> None:
    async def held() -> None:
        async with connected(create_broker(amqp_url)) as one:
            await hold(one)

    holding = asyncio.create_task(held())
    await eventually(broker.connections)
    broker.disconnect_all()
    with pytest.raises(ConsumingStopped):
        async with asyncio.timeout(40):
            await holding


async def _unserved(*_arguments: object) -> bool:
    return False
