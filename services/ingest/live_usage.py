"""What accounts have stored of their lives, folded from the log.

A session has no source: the segments of all its renditions count. It counts as a video from its
first bytes on, because a session without any becomes none.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, delete, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.deleted_usage import count_deleted
from services.ingest.tables import stored_lives, stored_sums
from shared.contracts import LiveConnected, LiveEnded, LivePublished, VideoDeleted
from shared.event_store.store import SequencedEvent


async def count_lives(connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
    """Count what is stored, and what is deleted or thrown away, in the order of the log."""
    deleted = await _lives_among(connection, events)
    for event in events:
        match event.data:
            case LiveConnected():
                await _begin(connection, event.data)
            case LivePublished(video_id=video_id):
                await _add(connection, video_id, _size(event.data))
            case LiveEnded(video_id=video_id):
                row = stored_lives.c
                lost = or_(not_(row.kept), row.size == 0)
                await _remove(connection, and_(row.video_id == video_id, lost))
            case VideoDeleted(video_id=video_id) if video_id in deleted:
                removed = await _remove(connection, stored_lives.c.video_id == video_id)
                await count_deleted(connection, removed, {video_id: event.recorded_at})
            case _:
                pass


async def _lives_among(connection: AsyncConnection, events: Sequence[SequencedEvent]) -> set[str]:
    """The deleted videos that are lives: most others are not, and cost no statement each."""
    gone = {e.data.video_id for e in events if isinstance(e.data, VideoDeleted)}
    if not gone:
        return set()
    begun = {e.data.video_id for e in events if isinstance(e.data, LiveConnected)}
    known = select(stored_lives.c.video_id).where(stored_lives.c.video_id.in_(gone))
    return (gone & begun) | set((await connection.execute(known)).scalars())


async def _begin(connection: AsyncConnection, event: LiveConnected) -> None:
    row = {
        "video_id": event.video_id,
        "user_id": event.user_id,
        "size": 0,
        "kept": event.record,
    }
    await connection.execute(insert(stored_lives).values(row).on_conflict_do_nothing())


async def _add(connection: AsyncConnection, video_id: str, size: int) -> None:
    if not size:
        return
    changed = await connection.execute(
        update(stored_lives)
        .where(stored_lives.c.video_id == video_id)
        .values(size=stored_lives.c.size + size)
        .returning(stored_lives.c.user_id, stored_lives.c.size)
    )
    row = changed.one_or_none()
    if row is not None:
        await _sum_up(connection, row.user_id, int(row.size == size), size)


async def _remove(connection: AsyncConnection, which: Any) -> Sequence[Any]:
    row = stored_lives.c
    removed = await connection.execute(
        delete(stored_lives).where(which).returning(row.video_id, row.user_id, row.size)
    )
    sessions = removed.all()
    for session in sessions:
        await _sum_up(connection, session.user_id, -int(session.size > 0), -session.size)
    return sessions


async def _sum_up(connection: AsyncConnection, user_id: str, lives: int, size: int) -> None:
    values = {"videos": lives, "bytes": size, "lives": lives, "live_bytes": size}
    statement = insert(stored_sums).values({"user_id": user_id, **values})
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={name: stored_sums.c[name] + statement.excluded[name] for name in values},
        )
    )


def _size(event: LivePublished) -> int:
    return sum(segment.size for track in event.tracks for segment in track.segments)
