"""The relay publishes the log's events to the broker, at least once and in order.

Two loops under one lock. The sequencer stamps committed events with their global position. The
publisher sends stamped events in bundles with publisher confirms, and moves its checkpoint only
past events that the broker has confirmed. Without a broker, stamping goes on, so that projections
catch up from the log; publishing resumes from its checkpoint.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
from faststream.rabbit import RabbitBroker
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.database_sessions import SESSION
from shared.event_store.group_commit import LOG_CHANNEL
from shared.event_store.sequencer import Sequencer
from shared.event_store.serialization import Envelope, encode_bundle
from shared.loops.cancellation import check_cancelled
from shared.loops.listening import listen
from shared.loops.loops import Loops
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import EVENTS
from shared.outages import is_outage
from shared.telemetry import get_logger

_log = get_logger(__name__)

_POLL_SECONDS = 0.25
_READ_EVENTS = 5000
_BUNDLE_EVENTS = 200
_CONFIRM_SECONDS = 15.0
_ANSWER_SECONDS = 10.0
_RETRY_SECONDS = 1.0
# Seconds that the broker has to confirm one event that is sent alone.
_ALONE_SECONDS = 5.0


class RelayMetrics:
    """How far the relay is behind the log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sequenced = Counter(
            "cinelog_events_sequenced", "Events given a position.", registry=registry
        )
        self.published = Counter(
            "cinelog_events_published", "Events confirmed by the broker.", registry=registry
        )
        self.refused = Counter(
            "cinelog_events_refused",
            "Events that the broker refused while it took others.",
            registry=registry,
        )
        self.unpublished = Gauge(
            "cinelog_events_unpublished", "Sequenced events not yet confirmed.", registry=registry
        )
        self.unpublished_age = Gauge(
            "cinelog_events_unpublished_age_seconds",
            "Age of the oldest sequenced event not yet confirmed.",
            registry=registry,
        )
        self.messages = MessageMetrics(registry)


class EnvelopeLog(Protocol):
    """The sequenced events that the relay publishes."""

    async def read_envelopes(self, after_position: int, limit: int) -> list[Envelope]:
        """At most ``limit`` events after a position, in global order, without a gap."""
        ...


class Relay:
    """Runs both loops while its process leads."""

    def __init__(
        self,
        log: EnvelopeLog,
        broker: RabbitBroker,
        url: str,
        metrics: RelayMetrics,
        loops: Loops,
        *,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._log = log
        self._broker = broker
        self._url = url
        self._metrics = metrics
        self._loops = loops
        self._retry_seconds = retry_seconds
        self._appended = asyncio.Event()
        self._sequenced = asyncio.Event()
        self._head = 0
        self._published = 0

    async def run(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Run over the connection that holds the relay's lock, until cancelled or fenced.

        Raises every database error: the lock's connection must not be used after one.
        """
        sequencer = Sequencer(connection)
        await sequencer.load()
        self._head = sequencer.head
        self._published = (
            await connection.fetchval("select value from log.relay where name = 'published'") or 0
        )
        _log.info("relaying", head=self._head, published=self._published)
        publisher = await asyncpg.connect(
            self._url,
            timeout=_ANSWER_SECONDS,
            command_timeout=_ANSWER_SECONDS,
            server_settings=SESSION,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    listen(self._loops, "appends", self._url, LOG_CHANNEL, self._heard)
                )
                tasks.create_task(
                    self._loops.repeat(
                        "stamp events",
                        lambda: self._sequence(sequencer),
                        _POLL_SECONDS,
                        wake=self._appended,
                        retry_seconds=None,
                        rests=True,
                    )
                )
                tasks.create_task(
                    self._loops.repeat(
                        "publish events",
                        lambda: self._publish(publisher),
                        _RETRY_SECONDS,
                        wake=self._sequenced,
                        retry_seconds=None,
                        rests=True,
                    )
                )
        finally:
            publisher.terminate()

    def _heard(self) -> None:
        """Something was appended."""
        self._appended.set()
        self._loops.rest.stir()

    async def _sequence(self, sequencer: Sequencer) -> None:
        """Stamp committed events; run again without a pause if there were any."""
        stamped = await sequencer.stamp()
        if stamped:
            self._loops.rest.stir()
            self._head = sequencer.head
            self._metrics.sequenced.inc(stamped)
            self._sequenced.set()
            self._appended.set()

    async def _publish(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Publish the next events; run again without a pause while there may be more."""
        events = await self._log.read_envelopes(self._published, _READ_EVENTS)
        self._metrics.unpublished.set(max(0, self._head - self._published))
        if not events:
            self._metrics.unpublished_age.set(0)
            return
        self._metrics.unpublished_age.set(max(0.0, time.time() - events[0].recorded_at.timestamp()))
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._send(events)
        except Exception as error:
            # The checkpoint stays: these events are not confirmed and are sent again.
            check_cancelled()
            _log.warning("events not published", error=repr(error), events=len(events))
            await asyncio.sleep(self._retry_seconds)
            if not is_outage(error):
                await self._advance(connection, await self._send_one_by_one(events))
            return
        await self._advance(connection, events)

    async def _advance(
        self, connection: "asyncpg.Connection[asyncpg.Record]", events: Sequence[Envelope]
    ) -> None:
        """Note that these events, the next ones of the log, are done."""
        if not events:
            return
        self._published = events[-1].position
        await connection.execute(
            "insert into log.relay (name, value) values ('published', $1)"
            " on conflict (name) do update set value = excluded.value",
            self._published,
        )
        self._metrics.published.inc(len(events))
        if self._published >= self._head:
            self._metrics.unpublished_age.set(0)
        self._metrics.unpublished.set(max(0, self._head - self._published))
        self._sequenced.set()

    async def _send_one_by_one(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        """Send the first events alone; returns those that are done.

        The broker may refuse one event, for its size for example. It is passed over if the broker
        takes the next one and then refuses it once more: projections find it in the log. Two
        refused in a row are not at fault, and neither is one that a closed channel refused.
        """
        done = 0
        refused: Envelope | None = None
        for number, event in enumerate(events[:_BUNDLE_EVENTS], 1):
            if await self._refusal(event) is not None:
                if refused is not None:
                    break
                refused = event
                continue
            if refused is not None:
                again = await self._refusal(refused)
                if again is not None and is_outage(again):
                    break
                if again is not None:
                    self._metrics.refused.inc()
                    _log.error(
                        "event not publishable",
                        position=refused.position,
                        type=refused.type,
                        error=repr(again),
                    )
                refused = None
            done = number
        return events[:done]

    async def _refusal(self, event: Envelope) -> Exception | None:
        """Send an event alone; returns the error if the broker did not take it."""
        try:
            async with asyncio.timeout(_ALONE_SECONDS):
                await self._send_bundle([event])
        except Exception as error:
            check_cancelled()
            # The broker may have closed the channel, which is opened again.
            await asyncio.sleep(self._retry_seconds)
            return error
        return None

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
        parents = (event.traceparent for event in bundle)
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
