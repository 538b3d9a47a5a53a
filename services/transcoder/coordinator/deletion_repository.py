"""The list of objects that are to be deleted: what, why, since when, and when."""

from collections.abc import Iterable, Sequence, Set
from datetime import timedelta
from itertools import accumulate
from typing import Literal

import msgspec
from sqlalchemy import ARRAY, Text, and_, cast, delete, func, literal, not_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.tables import deletions, jobs

Reason = Literal["deleted", "ended", "unused", "replaced"]
"""The video is deleted; the attempt has failed or was cancelled; nothing refers to the object;
compaction has replaced it."""


class Delays(msgspec.Struct, frozen=True):
    """How long objects stay on the list: those of a deleted video, and all others."""

    deleted: timedelta
    others: timedelta

    def of(self, reason: Reason) -> timedelta:
        return self.deleted if reason == "deleted" else self.others


class Deletion(msgspec.Struct, frozen=True):
    """An entry of the list. A ``key`` that ends with a slash stands for all keys below it."""

    key: str
    video_id: str
    reason: Reason


class DeletionRepository:
    """The list. An operator may hold entries back, see ``cinelog deletions``."""

    def __init__(self, engine: AsyncEngine, delays: Delays) -> None:
        self._engine = engine
        self._delays = delays

    async def add(self, video_id: str, keys: Iterable[str], reason: Reason) -> list[str]:
        """List ``keys``; returns those that were not listed yet, themselves or by a folder."""
        listed = await self.listed(video_id)
        new = [key for key in sorted(set(keys)) if not is_listed(key, listed)]
        if not new:
            return []
        # One argument for all keys: a statement takes 32,767, a long film has as many objects.
        rows = select(
            func.unnest(cast(new, ARRAY(Text))),
            literal(video_id),
            literal(reason),
            func.now() + self._delays.of(reason),
        )
        statement = insert(deletions).from_select(["key", "video_id", "reason", "due_at"], rows)
        async with self._engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_nothing())
        return new

    async def listed(self, video_id: str) -> set[str]:
        """The keys that are listed for a video."""
        query = select(deletions.c.key).where(deletions.c.video_id == video_id)
        async with self._engine.connect() as connection:
            return set((await connection.execute(query)).scalars())

    async def due(self, limit: int, without: Sequence[str] = ()) -> list[Deletion]:
        """Entries whose time has come and that nobody holds back.

        Objects that compaction has replaced wait while players may use others of their video.
        """
        being_replaced = (
            select(literal(1))
            .where(jobs.c.video_id == deletions.c.video_id, jobs.c.drop_at.is_not(None))
            .exists()
        )
        query = (
            select(deletions.c.key, deletions.c.video_id, deletions.c.reason)
            .where(
                deletions.c.due_at <= func.now(),
                deletions.c.held.is_(False),
                deletions.c.key.not_in(without),
                not_(and_(deletions.c.reason == "replaced", being_replaced)),
            )
            .order_by(deletions.c.due_at)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [Deletion(**row) for row in (await connection.execute(query)).mappings()]

    async def remove(self, key: str) -> None:
        """An entry is done, or withdrawn."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(deletions).where(deletions.c.key == key))

    async def postpone(self, key: str, seconds: float) -> None:
        """Look at an entry again later."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(deletions)
                .where(deletions.c.key == key)
                .values(due_at=func.now() + timedelta(seconds=seconds))
            )


def is_listed(key: str, listed: Set[str]) -> bool:
    """Whether a key is listed, itself or by a folder."""
    folders = accumulate(f"{name}/" for name in key.split("/")[:-1])
    return key in listed or any(folder in listed for folder in folders)
