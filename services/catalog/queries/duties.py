"""What the projector has to do by itself: queries over the read models."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.tables import users, videos


class Duties:
    """Videos of deleted accounts, and drafts whose time has come."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def orphans(self, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of videos of deleted accounts but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .join(users, users.c.id == videos.c.user_id)
            .where(users.c.deleted, videos.c.id.not_in(without))
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement.limit(100))).scalars().all()

    async def due_drafts(self, now: datetime, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of drafts that become public by now but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .where(
                videos.c.publish_at <= now,
                videos.c.visibility == "draft",
                videos.c.id.not_in(without),
            )
            .order_by(videos.c.publish_at)
            .limit(100)
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().all()
