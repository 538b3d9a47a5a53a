"""Delivers feeds to webhooks: in order, at least once, each independent of all others.

Deliveries run side by side in turns. Places are limited: in all, for each user, for receivers that
did not answer quickly the last time, and for these and unknown ones together. So receivers that
answer quickly find a place, and new ones can show that they do.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from services.catalog.api_models import to_feed_event
from services.catalog.webhooks.webhook_sender import NotDelivered
from services.catalog.webhooks.webhooks import (
    Webhook,
    delivered,
    failed,
    passed_over,
    signed_headers,
)
from shared.loops.cancellation import check_cancelled, end
from shared.loops.items import ItemMetrics, Items
from shared.outages import is_outage
from shared.telemetry import get_logger

_log = get_logger(__name__)

_AT_ONCE: Final = 512
_SLOW_AT_ONCE: Final = 320
_SLOW_OR_NEW_AT_ONCE: Final = 448
_OF_USER_AT_ONCE: Final = 8
# A receiver that takes longer to answer is slow.
_QUICK_SECONDS: Final = 1.0
# A turn ends after this time, so that a long feed does not keep its place.
_TURN_SECONDS: Final = 10.0
_PAGE: Final = 50
_TIDY_SECONDS: Final = 30.0
# Deliveries must not take all connections to the database.
_QUERIES_AT_ONCE: Final = 4


class WebhookStore(Protocol):
    """Stores webhooks and their positions."""

    async def due(
        self, now: datetime, without: Sequence[str], without_users: Sequence[str], limit: int
    ) -> Sequence[Webhook]: ...

    async def save_result(self, before: Webhook, after: Webhook) -> bool: ...

    async def drained(self, webhook: Webhook) -> None: ...

    async def tidy(self) -> None: ...


class Feed(Protocol):
    """Reads the feeds of users."""

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Mapping[Any, Any]]: ...


class Sender(Protocol):
    """Sends one message. Raises NotDelivered."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> None: ...


class WebhookDelivery:
    """``key`` derives the secrets."""

    def __init__(
        self,
        webhooks: WebhookStore,
        feed: Feed,
        sender: Sender,
        key: str,
        *,
        metrics: ItemMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._webhooks = webhooks
        self._feed = feed
        self._sender = sender
        self._key = key
        self._clock = clock
        self._items = Items("deliver webhooks", metrics)
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._users = Counter[str]()
        # Webhooks by how their receivers answered the last time.
        self._quick: set[str] = set()
        self._slow: set[str] = set()
        self._tidied = float("-inf")
        self._queries = asyncio.Semaphore(_QUERIES_AT_ONCE)

    async def round(self) -> None:
        """Begin the turns of all webhooks that are due and have a place, without waiting."""
        if time.monotonic() - self._tidied > _TIDY_SECONDS:
            await self._webhooks.tidy()
            self._tidied = time.monotonic()
        passed_by: set[str] = set()
        while room := _AT_ONCE - len(self._turns):
            without = [*self._turns, *self._items.waiting, *passed_by]
            found = await self._webhooks.due(self._clock(), without, self._busy(), room)
            if not found:
                return
            for webhook in found:
                if self._has_place(webhook):
                    self._begin(webhook)
                else:
                    passed_by.add(webhook.id)

    async def finish(self) -> None:
        """Wait until the turns that have begun are over."""
        await asyncio.gather(*self._turns.values())

    async def stop(self) -> None:
        """End all turns. What was not confirmed is sent again."""
        await end(tuple(self._turns.values()))

    def _busy(self) -> list[str]:
        return [user for user, turns in self._users.items() if turns >= _OF_USER_AT_ONCE]

    def _has_place(self, webhook: Webhook) -> bool:
        if self._users[webhook.user_id] >= _OF_USER_AT_ONCE:
            return False
        if webhook.id in self._quick:
            return True
        if webhook.id in self._slow and len(self._slow & self._turns.keys()) >= _SLOW_AT_ONCE:
            return False
        return len(self._turns.keys() - self._quick) < _SLOW_OR_NEW_AT_ONCE

    def _begin(self, webhook: Webhook) -> None:
        self._users[webhook.user_id] += 1
        turn = asyncio.create_task(self._turn(webhook), name=f"deliver webhook {webhook.id}")
        self._turns[webhook.id] = turn
        turn.add_done_callback(lambda _turn: self._ended(webhook))

    def _ended(self, webhook: Webhook) -> None:
        del self._turns[webhook.id]
        self._users[webhook.user_id] -= 1
        if not self._users[webhook.user_id]:
            del self._users[webhook.user_id]

    async def _turn(self, webhook: Webhook) -> None:
        try:
            await self._items.one(webhook, _id_of, self._deliver)
        except Exception as error:
            check_cancelled()
            if not is_outage(error):
                raise
            _log.warning("delivery interrupted", webhook=webhook.id, error=repr(error))

    async def _deliver(self, webhook: Webhook) -> None:
        until = time.monotonic() + _TURN_SECONDS
        while time.monotonic() < until:
            async with self._queries:
                rows = await self._feed.feed(webhook.user_id, webhook.position, (), _PAGE)
            for row in rows:
                if webhook.wants(row["type"]):
                    after = await self._send(webhook, row)
                else:
                    after = passed_over(webhook, row["position"])
                async with self._queries:
                    saved = await self._webhooks.save_result(webhook, after)
                has_failed = after.failures > webhook.failures
                webhook = after
                if not saved or has_failed or time.monotonic() >= until:
                    return
            if len(rows) < _PAGE:
                async with self._queries:
                    await self._webhooks.drained(webhook)
                return

    async def _send(self, webhook: Webhook, row: Mapping[Any, Any]) -> Webhook:
        event = to_feed_event(row)
        body = msgspec.json.encode(event)
        headers = signed_headers(self._key, webhook, event.id, body, self._clock())
        began = time.monotonic()
        try:
            await self._sender.send(webhook.url, headers, body)
        except NotDelivered as error:
            self._answered(webhook, quickly=False)
            return failed(webhook, str(error), self._clock(), gone=error.gone)
        self._answered(webhook, quickly=time.monotonic() - began <= _QUICK_SECONDS)
        return delivered(webhook, row["position"], self._clock())

    def _answered(self, webhook: Webhook, *, quickly: bool) -> None:
        (self._quick if quickly else self._slow).add(webhook.id)
        (self._slow if quickly else self._quick).discard(webhook.id)


def _id_of(webhook: Webhook) -> str:
    return webhook.id
