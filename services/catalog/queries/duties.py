"""What the projector has to do by itself: queries over the read models."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.rows import FoundCaptions
from services.catalog.tables import users, videos
from shared.contracts import CaptionTrack


class Duties:
    """Videos of deleted accounts, drafts and binned videos whose time has come, text tracks to be
    taken over."""

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

    async def found_captions(self, without: Sequence[str] = ()) -> Sequence[FoundCaptions]:
        """Text tracks of sources that may become captions, of at most 20 videos but for those of
        ``without``."""
        statement = (
            select(videos.c.id, videos.c.captions_found)
            .where(videos.c.captions_found != text("'[]'::jsonb"), videos.c.id.not_in(without))
            .limit(20)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            FoundCaptions(row.id, msgspec.convert(row.captions_found, tuple[CaptionTrack, ...]))
            for row in rows
        ]

    async def due_drafts(self, now: datetime, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of drafts that become public by now but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .where(
                videos.c.publish_at <= now,
                videos.c.visibility == "draft",
                videos.c.delete_at.is_(None),
                videos.c.id.not_in(without),
            )
            .order_by(videos.c.publish_at)
            .limit(100)
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def due_binned(self, now: datetime, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of videos that leave the bin by now but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .where(videos.c.delete_at <= now, videos.c.id.not_in(without))
            .order_by(videos.c.delete_at)
            .limit(100)
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().all()
