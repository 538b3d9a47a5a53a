"""What the sweep asks of ingest's tables: due uploads, known objects, pending deletions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Text, delete, func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.deleted_usage import forget_deleted
from services.ingest.ports import Upload
from services.ingest.rows import COLUMNS, is_whole, transaction, upload_of
from services.ingest.tables import pending_deletions, uploads
from services.ingest.tail import SEPARATOR, keys_of

# An upload in ``completing`` or ``ending`` whose row is older than this was left by its process.
_LEFT: Final = timedelta(seconds=30)
# A whole one is open between two statements of its request. Where its last part cannot be stored,
# each further try uses up two of the 10,000 numbers of parts.
_LEFT_WHOLE: Final = timedelta(minutes=5)


class SweepRepository:
    """Implements ``SweptUploads`` and ``DeletedSources``.

    ``deleted_for``: how long bytes of deleted videos are stored.
    """

    def __init__(self, engine: AsyncEngine, deleted_for: timedelta) -> None:
        self._engine = engine
        self._deleted_for = deleted_for

    async def due(self, limit: int) -> list[Upload]:
        now = func.clock_timestamp()
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(*COLUMNS)
                .where(
                    or_(
                        uploads.c.phase.in_(("open", "completed")) & (uploads.c.expires_at < now),
                        uploads.c.phase.in_(("completing", "ending")) & _untouched_for(_LEFT),
                        (uploads.c.phase == "open") & is_whole() & _untouched_for(_LEFT_WHOLE),
                    )
                )
                .order_by(uploads.c.updated_at)
                .limit(limit)
            )
            return [upload_of(row) for row in found]

    async def postpone(self, upload_id: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(uploads)
                .where(uploads.c.id == upload_id)
                .values(updated_at=func.clock_timestamp())
            )

    async def now(self) -> datetime:
        async with transaction(self._engine) as connection:
            return (await connection.execute(select(func.clock_timestamp()))).scalar_one()

    async def known_multiparts(self) -> set[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(uploads.c.multipart_id).where(uploads.c.multipart_id.is_not(None))
            )
            return {multipart_id for multipart_id in found.scalars() if multipart_id}

    async def known_uploads(self, upload_ids: Sequence[str]) -> set[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(uploads.c.id).where(uploads.c.id.in_(upload_ids))
            )
            return set(found.scalars())

    async def known_tails(self, keys: Sequence[str]) -> set[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(uploads.c.tail_key).where(
                    func.string_to_array(uploads.c.tail_key, SEPARATOR, type_=ARRAY(Text)).overlap(
                        list(keys)
                    )
                )
            )
            return {key for tail in found.scalars() for key in keys_of(tail)}

    async def list_unused(self, keys: Sequence[str], delay: timedelta) -> list[str]:
        due_at = func.clock_timestamp() + delay
        rows = [{"key": key, "reason": "unused", "due_at": due_at} for key in keys]
        if not rows:
            return []
        async with transaction(self._engine) as connection:
            added = await connection.execute(
                insert(pending_deletions)
                .values(rows)
                .on_conflict_do_nothing()
                .returning(pending_deletions.c.key)
            )
            return sorted(added.scalars())

    async def listed(self, keys: Sequence[str]) -> set[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(pending_deletions.c.key).where(pending_deletions.c.key.in_(keys))
            )
            return set(found.scalars())

    async def pending_deletion(self, limit: int, without: Sequence[str]) -> list[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(pending_deletions.c.key)
                .where(
                    pending_deletions.c.key.not_in(without),
                    pending_deletions.c.due_at <= func.clock_timestamp(),
                    pending_deletions.c.held.is_(False),
                )
                .order_by(pending_deletions.c.since)
                .limit(limit)
            )
            return list(found.scalars())

    async def deleted(self, keys: Sequence[str]) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(
                delete(pending_deletions).where(pending_deletions.c.key.in_(keys))
            )

    async def forget_deleted(self) -> None:
        async with transaction(self._engine) as connection:
            await forget_deleted(connection, self._deleted_for)


def _untouched_for(time: timedelta) -> ColumnElement[bool]:
    """Also where the clock was set back: then the last change is later than now."""
    now = func.clock_timestamp()
    return not_(uploads.c.updated_at.between(now - time, now + time))
