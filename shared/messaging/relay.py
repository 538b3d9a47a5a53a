"""The relay: what is in the log reaches the broker, at least once and in order.

Two loops under one lock. The sequencer stamps committed events with their global position; the
publisher sends what is stamped, bundled, with publisher confirms, and moves its checkpoint only
past what the broker has confirmed. With the broker away, stamping goes on, so that projections
catch up from the log, and publishing resumes where it stopped.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
from faststream.rabbit import RabbitBroker
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.event_store.group_commit import LOG_CHANNEL
from shared.event_store.listening import listen
from shared.event_store.sequencer import Sequencer
from shared.event_store.serialization import Envelope, encode_bundle
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import EVENTS
from shared.telemetry import get_logger

_log = get_logger(__name__)

_POLL_SECONDS = 0.25
_READ_EVENTS = 5000
_BUNDLE_EVENTS = 200
_CONFIRM_SECONDS = 15.0
_RETRY_SECONDS = 1.0


class RelayMetrics:
    """What an operator watches: is the relay behind, and by how much."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sequenced = Counter(
            "cinelog_events_sequenced", "Events given a position.", registry=registry
        )
        self.published = Counter(
            "cinelog_events_published", "Events confirmed by the broker.", registry=registry
        )
        self.unpublished = Gauge(
            "cinelog_events_unpublished", "Sequenced events not yet confirmed.", registry=registry
        )
        self.unpublished_age = Gauge(
            "cinelog_events_unpublished_age_seconds",
            "Age of the oldest sequenced event not yet confirmed.",
            registry=registry,
        )
        self.leader = Gauge("cinelog_relay_leader", "1 while this relay leads.", registry=registry)
        self.messages = MessageMetrics(registry)


class EnvelopeLog(Protocol):
    """Where the relay reads."""

    async def read_envelopes(self, after_position: int, limit: int) -> list[Envelope]:
        """At most ``limit`` events after a position, in global order, without a gap."""
        ...


class Relay:
    """Runs both loops while its process leads (see ``event_store.leadership``)."""

    def __init__(
        self, log: EnvelopeLog, broker: RabbitBroker, url: str, metrics: RelayMetrics
    ) -> None:
        self._log = log
        self._broker = broker
        self._url = url
        self._metrics = metrics
        self._appended = asyncio.Event()
        self._sequenced = asyncio.Event()
        self._head = 0

    async def run(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Run over the connection that holds the relay's lock, until cancelled or fenced."""
        sequencer = Sequencer(connection)
        await sequencer.load()
        self._head = sequencer.head
        published: int = (
            await connection.fetchval("select value from log.relay where name = 'published'") or 0
        )
        self._metrics.leader.set(1)
        _log.info("relay leads", head=sequencer.head, published=published)
        publisher = await asyncpg.connect(self._url, timeout=10, command_timeout=60)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(listen(self._url, LOG_CHANNEL, self._appended.set))
                tasks.create_task(self._sequence(sequencer))
                tasks.create_task(self._publish(publisher, published))
        finally:
            self._metrics.leader.set(0)
            publisher.terminate()

    async def _sequence(self, sequencer: Sequencer) -> None:
        while True:
            self._appended.clear()
            stamped = await sequencer.stamp()
            if stamped:
                self._head = sequencer.head
                self._metrics.sequenced.inc(stamped)
                self._sequenced.set()
            else:
                await _wait(self._appended, _POLL_SECONDS)

    async def _publish(
        self, connection: "asyncpg.Connection[asyncpg.Record]", published: int
    ) -> None:
        while True:
            self._sequenced.clear()
            events = await self._log.read_envelopes(published, _READ_EVENTS)
            self._metrics.unpublished.set(max(0, self._head - published))
            if not events:
                self._metrics.unpublished_age.set(0)
                await _wait(self._sequenced, _RETRY_SECONDS)
                continue
            self._metrics.unpublished_age.set(
                max(0.0, time.time() - events[0].recorded_at.timestamp())
            )
            try:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await self._send(events)
            except Exception as error:
                # Whatever the reason, nothing is confirmed, so nothing is skipped.
                _log.warning("publishing waits", error=repr(error), events=len(events))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            published = events[-1].position
            await connection.execute(
                "insert into log.relay (name, value) values ('published', $1)"
                " on conflict (name) do update set value = excluded.value",
                published,
            )
            self._metrics.published.inc(len(events))
            self._metrics.unpublished.set(max(0, self._head - published))

    async def _send(self, events: Sequence[Envelope]) -> None:
        bundles = [
            list(events[start : start + _BUNDLE_EVENTS])
            for start in range(0, len(events), _BUNDLE_EVENTS)
        ]
        await asyncio.gather(*(self._send_bundle(bundle) for bundle in bundles))

    async def _send_bundle(self, bundle: list[Envelope]) -> None:
        types = list(dict.fromkeys(event.type for event in bundle))
        headers: dict[str, Any] = {}
        if len(types) > 1:
            # RabbitMQ's sender-selected distribution: one message, several routing keys.
            headers["CC"] = types[1:]
        parents = (event.metadata.traceparent for event in bundle)
        with self._metrics.messages.publishing(EVENTS.name, parents, len(bundle)) as traces:
            await self._broker.publish(
                encode_bundle(bundle),
                exchange=EVENTS,
                routing_key=types[0],
                headers=headers | traces,
                content_type="application/json",
                message_id=str(bundle[0].position),
                persist=True,
                mandatory=False,
            )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
