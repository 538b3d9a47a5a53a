"""The table ``webhooks``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.tables import feed, users, webhooks
from services.catalog.webhooks.webhooks import (
    LONGEST_DELAY,
    MAX_WEBHOOKS,
    TooManyWebhooks,
    Webhook,
)

# A delivery's result is stored only while these columns are as they were before it.
_UNCHANGED: Final = ("id", "position", "active", "url", "next_attempt_at")
# The columns that a delivery changes.
_RESULT: Final = (
    "position",
    "active",
    "failures",
    "failing_since",
    "next_attempt_at",
    "last_error",
    "delivered_at",
)


class Webhooks:
    """Stores webhooks and their positions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, webhook: Webhook) -> Webhook:
        """Insert a webhook unless its id exists; returns the stored one. Raises TooManyWebhooks."""
        async with self._engine.begin() as connection:
            # Concurrent requests of a user must not pass the limit together.
            await connection.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(webhook.user_id, 0)))
            )
            same = select(webhooks).where(webhooks.c.id == webhook.id)
            if row := (await connection.execute(same)).mappings().one_or_none():
                return Webhook(**row)
            count = select(func.count()).where(webhooks.c.user_id == webhook.user_id)
            if (await connection.execute(count)).scalar_one() >= MAX_WEBHOOKS:
                raise TooManyWebhooks
            await connection.execute(insert(webhooks).values(msgspec.structs.asdict(webhook)))
        return webhook

    async def of_user(self, user_id: str) -> Sequence[Webhook]:
        """A user's webhooks, oldest first."""
        statement = select(webhooks).where(webhooks.c.user_id == user_id).order_by(webhooks.c.id)
        return await self._all(statement)

    async def get(self, user_id: str, webhook_id: str) -> Webhook | None:
        """One of a user's webhooks."""
        found = await self._all(
            select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.user_id == user_id)
        )
        return found[0] if found else None

    async def change(self, webhook_id: str, **values: Any) -> None:
        """Set columns of a webhook."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(webhooks).where(webhooks.c.id == webhook_id).values(values)
            )

    async def remove(self, webhook_id: str) -> None:
        """Delete a webhook."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))

    async def due(
        self, now: datetime, without: Sequence[str], without_users: Sequence[str], limit: int
    ) -> Sequence[Webhook]:
        """Active webhooks with events to deliver whose next attempt is due, longest due first.

        Those with the ids ``without`` and those of ``without_users`` are left out.
        """
        return await self._all(
            select(webhooks)
            .where(
                webhooks.c.active,
                webhooks.c.pending_at.is_not(None),
                # What is put off for longer than any attempt: the clock was set back since.
                or_(
                    webhooks.c.next_attempt_at <= now,
                    webhooks.c.next_attempt_at > now + LONGEST_DELAY,
                ),
                webhooks.c.id.not_in(without),
                webhooks.c.user_id.not_in(without_users),
            )
            .order_by(webhooks.c.next_attempt_at)
            .limit(limit)
        )

    async def drained(self, webhook: Webhook) -> None:
        """Note that there is nothing left to deliver, unless the feed has grown meanwhile."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(webhooks)
                .where(
                    webhooks.c.id == webhook.id,
                    webhooks.c.position == webhook.position,
                    webhooks.c.pending_at == webhook.pending_at,
                )
                .values(pending_at=None)
            )

    async def tidy(self) -> None:
        """Delete the webhooks of deleted accounts, and find events that nobody announced.

        Events of an older version's projector are not announced.
        """
        gone = select(users.c.id).where(users.c.deleted)
        more = (
            exists()
            .where(feed.c.user_id == webhooks.c.user_id)
            .where(feed.c.position > webhooks.c.position)
        )
        async with self._engine.begin() as connection:
            await connection.execute(delete(webhooks).where(webhooks.c.user_id.in_(gone)))
            await connection.execute(
                update(webhooks)
                .where(webhooks.c.active, webhooks.c.pending_at.is_(None), more)
                .values(pending_at=func.clock_timestamp())
            )

    async def save_result(self, before: Webhook, after: Webhook) -> bool:
        """Store the result of a delivery; False if the webhook was changed meanwhile.

        Its owner changes it, and events that come into the feed late do.
        """
        async with self._engine.begin() as connection:
            result = await connection.execute(
                update(webhooks)
                .where(*(webhooks.c[name] == getattr(before, name) for name in _UNCHANGED))
                .values({name: getattr(after, name) for name in _RESULT})
            )
        return result.rowcount == 1

    async def _all(self, statement: Any) -> list[Webhook]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement)
            return [Webhook(**row) for row in rows.mappings()]
