"""The relay delivers everything at least once, through a real broker that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from faststream.rabbit import RabbitBroker, RabbitMessage
from prometheus_client import CollectorRegistry

from shared.contracts import EmailChanged, PasswordChanged, new_id, stream_id
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.serialization import decode_bundle
from shared.event_store.store import Metadata, NewEvent
from shared.loops import rest
from shared.loops.cancellation import end
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from shared.messaging import relay as relay_module
from shared.messaging.broker import connected, create_broker
from shared.messaging.relay import Relay, RelayMetrics
from shared.messaging.topology import EVENTS, declare, projection_queue
from tests.support.databases import Database
from tests.support.road import Road
from tests.support.wait import eventually

QUEUE = projection_queue("test", "everything")


class Received:
    """What came through the queue, in order of arrival."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.keys: set[str] = set()
        self.failures = 0

    def subscribe(self, broker: RabbitBroker) -> None:
        async def raw(message: RabbitMessage) -> bytes:
            self.keys.add(message.raw_message.routing_key or "")
            return message.body

        @broker.subscriber(QUEUE, EVENTS, decoder=raw)
        async def _bundle(body: bytes) -> None:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("not this time")
            self.positions.extend(event.position for event in decode_bundle(body))


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_event_store(database.url("auth")) as store:
        yield store


class Relaying:
    """A relay that runs, and its metrics."""

    def __init__(self, registry: CollectorRegistry, metrics: RelayMetrics) -> None:
        self._registry = registry
        self.unpublished = metrics.unpublished
        self.unpublished_age = metrics.unpublished_age

    @property
    def leads(self) -> bool:
        return self._registry.get_sample_value("cinelog_leader", {"leader": "relay"}) == 1


@asynccontextmanager
async def relaying(database: Database, amqp_url: str) -> AsyncIterator[Relaying]:
    registry = CollectorRegistry()
    metrics, loops = RelayMetrics(registry), Loops(registry)
    url = database.url("relay")
    broker = create_broker(amqp_url)

    async def hold_broker() -> None:
        async with connected(broker):
            await declare(broker)
            await asyncio.Event().wait()

    async with open_event_store(url, connections=3) as own:
        relay = Relay(own, broker, url, metrics, loops)
        tasks = [
            asyncio.create_task(loops.lead(Leader.RELAY, url, relay.run, heartbeat=False)),
            asyncio.create_task(hold_broker()),
        ]
        try:
            yield Relaying(registry, metrics)
        finally:
            await end(tasks)


@asynccontextmanager
async def receiving(amqp_url: str) -> AsyncIterator[Received]:
    received = Received()
    broker = create_broker(amqp_url)
    async with connected(broker):
        await declare(broker, QUEUE)
        received.subscribe(broker)
        await broker.start()
        yield received


async def append(store: PostgresEventStore, count: int) -> None:
    async def one() -> None:
        user = new_id()
        events = [NewEvent(EmailChanged(user_id=user)), NewEvent(PasswordChanged(user_id=user))]
        await store.append(stream_id("user", user), 0, events, Metadata())

    await asyncio.gather(*(one() for _ in range(count)))


async def test_every_event_arrives(
    database: Database, amqp_url: str, store: PostgresEventStore
) -> None:
    async with receiving(amqp_url) as received, relaying(database, amqp_url) as metrics:
        await append(store, 300)
        await eventually(lambda: len(set(received.positions)) == 600)
        assert received.positions == sorted(received.positions)
        assert received.keys <= {"EmailChanged", "PasswordChanged"}
        await eventually(lambda: metrics.unpublished._value.get() == 0)


def rest_always(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Loops rest from their start on, for so long."""
    monkeypatch.setattr(rest, "AWAKE_SECONDS", 0.0)
    monkeypatch.setattr(rest, "REST_SECONDS", seconds)


async def test_an_append_wakes_a_relay_that_rests(
    database: Database, amqp_url: str, store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_always(monkeypatch, 3600.0)
    async with receiving(amqp_url) as received, relaying(database, amqp_url):
        for count in (1, 2):
            await append(store, 1)
            await eventually(lambda count=count: len(set(received.positions)) == 2 * count)


async def test_a_relay_that_rests_finds_what_no_notification_told_of(
    database: Database, amqp_url: str, store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_always(monkeypatch, 0.2)
    monkeypatch.setattr(relay_module, "LOG_CHANNEL", "another")
    async with receiving(amqp_url) as received, relaying(database, amqp_url):
        for count in (1, 2):
            await append(store, 1)
            await eventually(lambda count=count: len(set(received.positions)) == 2 * count)


async def test_what_was_appended_before_the_relay_started_arrives_too(
    database: Database, amqp_url: str, store: PostgresEventStore
) -> None:
    await append(store, 20)
    async with receiving(amqp_url) as received, relaying(database, amqp_url):
        await eventually(lambda: len(set(received.positions)) == 40)


async def test_one_relay_leads_and_another_takes_over(
    database: Database, amqp_url: str, store: PostgresEventStore
) -> None:
    async with receiving(amqp_url) as received, AsyncExitStack() as second_stack:
        async with relaying(database, amqp_url) as first:
            await eventually(lambda: first.leads)
            second = await second_stack.enter_async_context(relaying(database, amqp_url))
            await append(store, 10)
            await eventually(lambda: len(set(received.positions)) == 20)
            assert not second.leads
        await eventually(lambda: second.leads)
        await append(store, 10)
        await eventually(lambda: len(set(received.positions)) == 40)


async def test_positions_are_stamped_with_the_broker_away(
    database: Database, store: PostgresEventStore
) -> None:
    async with relaying(database, "amqp://guest:guest@127.0.0.1:1/"):
        await append(store, 10)

        async def all_stamped() -> bool:
            return await store.head() == 20

        await eventually(all_stamped)


async def test_a_handler_that_fails_gets_its_message_again(
    database: Database, amqp_url: str, store: PostgresEventStore
) -> None:
    async with receiving(amqp_url) as received, relaying(database, amqp_url):
        received.failures = 3
        await append(store, 5)
        await eventually(lambda: len(set(received.positions)) == 10)
        assert received.failures == 0


async def test_with_the_broker_away_it_waits_tells_so_and_then_delivers_all(
    database: Database, amqp_url: str, store: PostgresEventStore
) -> None:
    road = Road(amqp_url)
    async with receiving(amqp_url) as received, relaying(database, road.url) as metrics:
        await road.open()
        await append(store, 10)
        await eventually(lambda: len(set(received.positions)) == 20)
        await road.close()

        await append(store, 200)
        await eventually(lambda: metrics.unpublished._value.get() == 400)
        # Older with every look: an alert on it fires however quiet the log is.
        await eventually(lambda: metrics.unpublished_age._value.get() > 0.5)
        assert len(set(received.positions)) == 20

        await road.open()
        await eventually(lambda: len(set(received.positions)) == 420)
        await eventually(lambda: metrics.unpublished._value.get() == 0)
        assert metrics.unpublished_age._value.get() == 0
        assert sorted(set(received.positions)) == list(range(1, 421))
    await road.close()
