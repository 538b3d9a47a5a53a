"""What accounts still have stored of videos that are deleted: an account that uploads and deletes
again and again fills the storage, too.

A deleted video's bytes stay for ``delay``. A source stays longer where an operator holds it back or
the storage is away: it is listed for deletion until then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    cast,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.domain import source_key
from services.ingest.tables import deleted_bytes, pending_deletions

# So much longer rows stay: by then a completed upload is not counted by its row any more.
_REMEMBERED: Final = timedelta(minutes=5)


async def count_deleted(
    connection: AsyncConnection, removed: Sequence[Any], deleted_at: dict[str, datetime]
) -> None:
    """Count what rows with ``video_id``, ``user_id`` and ``size`` have stored, as deleted."""
    rows = [
        {
            "video_id": row.video_id,
            "user_id": row.user_id,
            "size": row.size,
            "deleted_at": deleted_at[row.video_id],
        }
        for row in removed
        if row.size
    ]
    if rows:
        await connection.execute(insert(deleted_bytes).values(rows).on_conflict_do_nothing())


def still_stored(user_id: str, delay: timedelta) -> Select[int]:
    """The bytes of an account's deleted videos."""
    return select(func.coalesce(func.sum(deleted_bytes.c.size), 0).cast(BigInteger)).where(
        deleted_bytes.c.user_id == user_id, _is_stored(delay)
    )


async def forget_deleted(connection: AsyncConnection, delay: timedelta) -> None:
    """Drop the rows of what is gone."""
    await connection.execute(delete(deleted_bytes).where(not_(_is_stored(delay + _REMEMBERED))))


def _is_stored(delay: timedelta) -> ColumnElement[bool]:
    video = cast(deleted_bytes.c.video_id, Text)
    listed = exists().where(pending_deletions.c.key == func.concat(video, source_key("")))
    return or_(deleted_bytes.c.deleted_at > func.clock_timestamp() - delay, listed)
