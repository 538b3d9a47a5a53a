"""Queries over users' feeds of events."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.tables import feed


class Feeds:
    """The feeds of all users."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Mapping[Any, Any]]:
        """A user's events after a position, in the log's order."""
        statement = select(feed).where(feed.c.user_id == user_id, feed.c.position > after)
        if types:
            statement = statement.where(feed.c.type.in_(types))
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.order_by(feed.c.position).limit(limit))
            return rows.mappings().all()
