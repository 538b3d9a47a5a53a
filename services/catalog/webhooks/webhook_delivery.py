"""Delivering feeds to webhooks: in order, each event until it is received, at least once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from services.catalog.api_models import feed_event
from services.catalog.webhooks.webhook_sender import NotDelivered
from services.catalog.webhooks.webhooks import Webhook, delivered, failed, signed_headers

_AT_ONCE: Final = 8
_PER_ROUND: Final = 50


class Outbox(Protocol):
    """Webhooks and their places."""

    async def due(self, now: datetime) -> Sequence[Webhook]: ...

    async def settle(self, before: Webhook, after: Webhook) -> bool: ...


class Feed(Protocol):
    """Everybody's events."""

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Mapping[Any, Any]]: ...


class Sender(Protocol):
    """Raises NotDelivered."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> None: ...


class WebhookDelivery:
    """Sends due events in rounds; a receiver that is slow or down delays only its own events.

    ``key`` signs messages. ``sent`` is called after each attempt: a round may take long.
    """

    def __init__(
        self,
        outbox: Outbox,
        feed: Feed,
        sender: Sender,
        key: str,
        *,
        clock: Callable[[], datetime],
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._feed = feed
        self._sender = sender
        self._key = key
        self._clock = clock
        self._sent = sent
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def round(self) -> int:
        """Deliver to every webhook that is due; returns how many events were received."""
        due = await self._outbox.due(self._clock())
        return sum(await asyncio.gather(*(self._deliver(webhook) for webhook in due)))

    async def _deliver(self, webhook: Webhook) -> int:
        async with self._free:
            rows = await self._feed.feed(
                webhook.user_id, webhook.position, webhook.types, _PER_ROUND
            )
            for count, row in enumerate(rows):
                after = await self._send(webhook, row)
                self._sent()
                if not await self._outbox.settle(webhook, after) or after.failures:
                    return count
                webhook = after
            return len(rows)

    async def _send(self, webhook: Webhook, row: Mapping[Any, Any]) -> Webhook:
        event = feed_event(row)
        body = msgspec.json.encode(event)
        headers = signed_headers(self._key, webhook, event.id, body, self._clock())
        try:
            await self._sender.send(webhook.url, headers, body)
        except NotDelivered as error:
            return failed(webhook, str(error), self._clock(), gone=error.gone)
        return delivered(webhook, row["position"], self._clock())
