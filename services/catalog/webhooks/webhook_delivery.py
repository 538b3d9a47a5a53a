"""Delivers feeds to webhooks: in order, at least once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from services.catalog.api_models import to_feed_event
from services.catalog.webhooks.webhook_sender import NotDelivered
from services.catalog.webhooks.webhooks import Webhook, delivered, failed, signed_headers
from shared.loops.items import ItemMetrics, Items

_CONCURRENCY: Final = 8
_PER_ROUND: Final = 50


class WebhookStore(Protocol):
    """Stores webhooks and their positions."""

    async def due(self, now: datetime, without: Sequence[str]) -> Sequence[Webhook]: ...

    async def save_result(self, before: Webhook, after: Webhook) -> bool: ...


class Feed(Protocol):
    """Reads the feeds of users."""

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Mapping[Any, Any]]: ...


class Sender(Protocol):
    """Sends one message. Raises NotDelivered."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> None: ...


class WebhookDelivery:
    """Sends due events in rounds; a receiver that is slow or down delays only its own events.

    ``key`` derives the secrets. ``sent`` is called after each message, because a round may be long.
    """

    def __init__(
        self,
        webhooks: WebhookStore,
        feed: Feed,
        sender: Sender,
        key: str,
        *,
        metrics: ItemMetrics,
        clock: Callable[[], datetime],
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._webhooks = webhooks
        self._feed = feed
        self._sender = sender
        self._key = key
        self._clock = clock
        self._sent = sent
        self._items = Items("deliver webhooks", metrics)
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def round(self) -> int:
        """Send to every webhook that is due; returns the number of events that were received."""
        due = await self._webhooks.due(self._clock(), self._items.waiting)
        received: list[int] = []

        async def deliver(webhook: Webhook) -> None:
            received.append(await self._deliver(webhook))

        await asyncio.gather(*(self._items.one(webhook, _id_of, deliver) for webhook in due))
        return sum(received)

    async def _deliver(self, webhook: Webhook) -> int:
        async with self._slots:
            rows = await self._feed.feed(
                webhook.user_id, webhook.position, webhook.types, _PER_ROUND
            )
            for count, row in enumerate(rows):
                after = await self._send(webhook, row)
                self._sent()
                if not await self._webhooks.save_result(webhook, after) or after.failures:
                    return count
                webhook = after
            return len(rows)

    async def _send(self, webhook: Webhook, row: Mapping[Any, Any]) -> Webhook:
        event = to_feed_event(row)
        body = msgspec.json.encode(event)
        headers = signed_headers(self._key, webhook, event.id, body, self._clock())
        try:
            await self._sender.send(webhook.url, headers, body)
        except NotDelivered as error:
            return failed(webhook, str(error), self._clock(), gone=error.gone)
        return delivered(webhook, row["position"], self._clock())


def _id_of(webhook: Webhook) -> str:
    return webhook.id
