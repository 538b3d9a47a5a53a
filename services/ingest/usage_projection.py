"""What accounts have stored and had planned, folded from the log."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any, Final

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import planned_days, stored_sources, stored_sums
from shared.contracts import TranscodePlanned, VideoDeleted, VideoUploaded
from shared.event_store.projections.replay import ReplayedTable
from shared.event_store.store import SequencedEvent

# Days before today, whose minutes nobody asks for any more.
_FORGOTTEN: Final = timedelta(days=2)

REPLAYED_TABLES: Final = (
    ReplayedTable(table=stored_sources, key="video_id", compared=("user_id", "size")),
    ReplayedTable(table=stored_sums, key="user_id", compared=("videos", "bytes")),
    ReplayedTable(table=planned_days, key="user_id", compared=()),
)
"""What a rebuild replaces."""


class StoredUsage:
    """VideoUploaded and VideoDeleted: the sources of an account. TranscodePlanned: its minutes.

    It reads the log without a queue: what is under way is counted in the table of uploads.
    """

    name = "usage"

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        await _store(connection, [e.data for e in events if isinstance(e.data, VideoUploaded)])
        gone = [e.data.video_id for e in events if isinstance(e.data, VideoDeleted)]
        await _delete(connection, gone)
        await _plan(connection, events)


async def _store(connection: AsyncConnection, uploaded: Sequence[VideoUploaded]) -> None:
    if not uploaded:
        return
    rows = [
        {"video_id": each.video_id, "user_id": each.user_id, "size": each.size} for each in uploaded
    ]
    added = await connection.execute(
        insert(stored_sources)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(stored_sources.c.user_id, stored_sources.c.size)
    )
    await _sum_up(connection, added.all(), 1)


async def _delete(connection: AsyncConnection, video_ids: Sequence[str]) -> None:
    if not video_ids:
        return
    removed = await connection.execute(
        delete(stored_sources)
        .where(stored_sources.c.video_id.in_(video_ids))
        .returning(stored_sources.c.user_id, stored_sources.c.size)
    )
    await _sum_up(connection, removed.all(), -1)


async def _sum_up(connection: AsyncConnection, rows: Sequence[Any], sign: int) -> None:
    if not rows:
        return
    videos: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for user_id, size in rows:
        videos[user_id] += sign
        sizes[user_id] += sign * size
    statement = insert(stored_sums).values(
        [{"user_id": user, "videos": videos[user], "bytes": sizes[user]} for user in videos]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={
                "videos": stored_sums.c.videos + statement.excluded.videos,
                "bytes": stored_sums.c.bytes + statement.excluded.bytes,
            },
        )
    )


async def _plan(connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
    """Add the minutes of plans. An attempt that nobody asked for is counted once only."""
    minutes: Counter[tuple[str, date]] = Counter()
    for event in events:
        if isinstance(event.data, TranscodePlanned) and not event.data.counted:
            day = event.recorded_at.astimezone(UTC).date()
            minutes[event.data.user_id, day] += event.data.source.duration_ms
    if not minutes:
        return
    statement = insert(planned_days).values(
        [{"user_id": user, "day": day, "ms": ms} for (user, day), ms in minutes.items()]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id", "day"],
            set_={"ms": planned_days.c.ms + statement.excluded.ms},
        )
    )
    users = {user for user, _ in minutes}
    await connection.execute(
        delete(planned_days).where(
            planned_days.c.user_id.in_(users),
            planned_days.c.day < func.current_date() - _FORGOTTEN.days,
        )
    )
