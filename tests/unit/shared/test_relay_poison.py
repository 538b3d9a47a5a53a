"""One event that the broker refuses does not hold up the others, and no broker loses any."""

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from shared.contracts import uuid7
from shared.event_store.serialization import Envelope, decode_bundle
from shared.loops.loops import Loops
from shared.messaging.relay import Relay, RelayMetrics

COUNT = 100
POISONED = 37


class Log:
    """A hundred events with positions."""

    def __init__(self) -> None:
        self.events = [_event(position) for position in range(1, COUNT + 1)]

    async def read_envelopes(self, after_position: int, limit: int) -> list[Envelope]:
        return [event for event in self.events if event.position > after_position][:limit]


class Broker:
    """Takes messages, but for those that hold a refused event; none at all while it is away."""

    def __init__(self, *refused: int) -> None:
        self.refused = set(refused)
        self.error: Exception = ValueError("the message is too large")
        self.away = False
        self.failing = 0
        self.taken: list[int] = []

    async def publish(self, body: bytes, **_named: Any) -> None:
        positions = [event.position for event in decode_bundle(body)]
        if self.failing:
            self.failing -= 1
            raise self.error
        if self.away or self.refused & set(positions):
            raise self.error
        self.taken += positions


class Database:
    def __init__(self) -> None:
        self.published = 0

    async def execute(self, _statement: str, position: int) -> None:
        self.published = position


class Bench:
    def __init__(self, broker: Broker) -> None:
        self.registry = CollectorRegistry()
        self.database = Database()
        self.relay = Relay(
            Log(),
            cast(Any, broker),
            "",
            RelayMetrics(self.registry),
            Loops(self.registry),
            retry_seconds=0.0,
        )

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.relay._publish(cast(Any, self.database))

    @property
    def refused(self) -> float | None:
        return self.registry.get_sample_value("cinelog_events_refused_total")


def _event(position: int) -> Envelope:
    return Envelope(
        position=position,
        stream_id=f"user-{position}",
        version=1,
        type="EmailChanged",
        schema_version=1,
        event_id=uuid7(),
        recorded_at=datetime.now(UTC),
        metadata=msgspec.Raw(b"{}"),
        data=msgspec.Raw(b"{}"),
    )


@pytest.mark.parametrize("poisoned", [1, POISONED, 99])
async def test_one_event_that_the_broker_refuses_is_passed_over(poisoned: int) -> None:
    broker = Broker(poisoned)
    bench = Bench(broker)
    await bench.rounds(2)
    assert set(range(1, COUNT + 1)) - set(broker.taken) == {poisoned}
    assert broker.taken == sorted(broker.taken)
    assert bench.database.published == COUNT
    assert bench.refused == 1


@pytest.mark.parametrize("error", [ConnectionError("away"), ValueError("odd")])
async def test_a_broker_that_takes_nothing_refuses_no_event(error: Exception) -> None:
    broker = Broker()
    broker.away, broker.error = True, error
    bench = Bench(broker)
    await bench.rounds(3)
    assert (bench.database.published, bench.refused) == (0, 0)
    broker.away = False
    await bench.rounds(1)
    assert broker.taken == list(range(1, COUNT + 1))


@pytest.mark.parametrize("failing", range(1, 8))
@pytest.mark.parametrize("error", [ConnectionError("away"), RuntimeError("channel closed")])
async def test_no_event_is_passed_over_while_a_channel_is_opened_again(
    failing: int, error: Exception
) -> None:
    broker = Broker()
    broker.failing, broker.error = failing, error
    bench = Bench(broker)
    await bench.rounds(8)
    assert set(broker.taken) == set(range(1, COUNT + 1))
    assert (bench.database.published, bench.refused) == (COUNT, 0)


async def test_the_last_event_waits_for_another_one_that_the_broker_takes() -> None:
    bench = Bench(Broker(COUNT))
    await bench.rounds(3)
    assert bench.database.published == COUNT - 1
    assert bench.refused == 0
