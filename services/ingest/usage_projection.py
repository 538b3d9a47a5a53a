"""What accounts have stored and had planned, folded from the log."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.caption_usage import count_captions
from services.ingest.deleted_usage import count_deleted
from services.ingest.live_usage import count_lives
from services.ingest.tables import (
    deleted_bytes,
    planned_days,
    refundable_plans,
    stored_lives,
    stored_sources,
    stored_sums,
)
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    LiveClipMade,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    VideoDeleted,
    VideoUploaded,
    ViewsCounted,
)
from shared.event_store.projections.refold import Refolding
from shared.event_store.projections.replay import ReplayedTable
from shared.event_store.projections.replayed_refold import ReplayedRefolding
from shared.event_store.store import SequencedEvent

FOLD: Final = 3
"""The version of the fold: one more whenever the same events lead to other rows."""

SCHEMA: Final = "ingest"

# Days before today, whose minutes nobody asks for any more.
_FORGOTTEN: Final = timedelta(days=2)

REPLAYED_TABLES: Final = (
    ReplayedTable(
        table=stored_sources, key="video_id", entity="video_id::text", compared=("user_id", "size")
    ),
    ReplayedTable(
        table=stored_lives,
        key="video_id",
        entity="video_id::text",
        compared=("user_id", "size", "kept"),
    ),
    ReplayedTable(
        table=stored_sums, key="user_id", compared=("videos", "bytes", "lives", "live_bytes")
    ),
    ReplayedTable(table=deleted_bytes, key="video_id", entity="video_id::text", compared=()),
    ReplayedTable(table=planned_days, key="user_id", compared=()),
    ReplayedTable(
        table=refundable_plans, key="video_id", entity="video_id::text", compared=("user_id", "ms")
    ),
)
"""What a rebuild replaces."""

_OF_LIVES: Final = ("lives", "live_bytes")
_OF_TRANSCODES: Final = (TranscodePlanned, TranscodeFailed, TranscodeCompleted, TranscodeCancelled)


class _Plan(NamedTuple):
    """A plan whose minutes are given back if it fails."""

    user_id: str
    day: date
    ms: int


class StoredUsage:
    """VideoUploaded, LiveClipMade and VideoDeleted: the sources of an account, and what is still
    stored of them, captions included; events of sessions: its lives. TranscodePlanned: its minutes.
    TranscodeFailed gives them back.

    It reads the log without a queue: what is under way is counted in the table of uploads.
    """

    name = "usage"
    fold = FOLD
    ignored = (
        *(AudioEncoded.__name__, ChunkEncoded.__name__),
        *(TranscodeProgressed.__name__, ViewsCounted.__name__),
    )

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        stored = [e.data for e in events if isinstance(e.data, VideoUploaded | LiveClipMade)]
        await _store(connection, stored)
        await count_captions(connection, events)
        gone = {e.data.video_id: e.recorded_at for e in events if isinstance(e.data, VideoDeleted)}
        await _delete(connection, gone)
        await count_lives(connection, events)
        await _plan(connection, events)

    def refolding(self, connection: AsyncConnection, entities: Sequence[str]) -> Refolding:
        """The sources of these videos, and what is given back if their transcodes fail.

        The minutes of a day are not made again: nobody asks for them two days later.
        """
        return ReplayedRefolding(connection, self, SCHEMA, REPLAYED_TABLES, entities)

    async def dependents(
        self, _connection: AsyncConnection, _events: Sequence[SequencedEvent]
    ) -> Sequence[str]:
        """Events of a video change no rows of others but the sums."""
        return ()

    async def complete(self, connection: AsyncConnection) -> None:
        """Sum up all sources and lives."""
        await connection.execute(
            update(stored_sums).values(dict.fromkeys(("videos", "bytes", *_OF_LIVES), 0))
        )
        sources = select(stored_sources.c.user_id, func.count(), _total(stored_sources.c.size))
        await _set_sums(connection, ("videos", "bytes"), sources.group_by("user_id"))
        # A session without any bytes is no video.
        lives = (
            select(stored_lives.c.user_id, func.count(), _total(stored_lives.c.size))
            .where(stored_lives.c.size > 0)
            .group_by("user_id")
        )
        await _set_sums(connection, _OF_LIVES, lives)
        await connection.execute(
            update(stored_sums).values(
                videos=stored_sums.c.videos + stored_sums.c.lives,
                bytes=stored_sums.c.bytes + stored_sums.c.live_bytes,
            )
        )


def _total(size: Any) -> Any:
    return func.sum(size).cast(BigInteger)


async def _set_sums(connection: AsyncConnection, names: Sequence[str], sums: Any) -> None:
    others = [name for name in ("videos", "bytes") if name not in names]
    sums = sums.add_columns(*(literal(0) for _ in others))
    statement = insert(stored_sums).from_select(["user_id", *names, *others], sums)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id"], set_={name: statement.excluded[name] for name in names}
        )
    )


async def _store(
    connection: AsyncConnection, uploaded: Sequence[VideoUploaded | LiveClipMade]
) -> None:
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


async def _delete(connection: AsyncConnection, deleted_at: dict[str, datetime]) -> None:
    if not deleted_at:
        return
    row = stored_sources.c
    removed = await connection.execute(
        delete(stored_sources)
        .where(row.video_id.in_(deleted_at))
        .returning(row.user_id, row.size, row.video_id)
    )
    sources = removed.all()
    await _sum_up(connection, sources, -1)
    await count_deleted(connection, sources, deleted_at)


async def _sum_up(connection: AsyncConnection, rows: Sequence[Any], sign: int) -> None:
    if not rows:
        return
    videos: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for user_id, size, *_ in rows:
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
    """Count what is planned, and give it back where the transcode fails.

    What completes or is cancelled is not given back. A deletion changes nothing: it may come before
    the plan of its video or after it. The plan of another attempt is counted anew,
    but for one that nobody asked for: it stands for the same minutes.
    """
    about = {e.data.video_id for e in events if isinstance(e.data, _OF_TRANSCODES)}
    if not about:
        return
    found = await connection.execute(
        select(refundable_plans).where(refundable_plans.c.video_id.in_(about))
    )
    plans = {row.video_id: _Plan(row.user_id, row.day, row.ms) for row in found}
    minutes: Counter[tuple[str, date]] = Counter()
    failed: Counter[tuple[str, date]] = Counter()
    for event in events:
        match event.data:
            case TranscodePlanned(counted=True):
                pass
            case TranscodePlanned(video_id=video_id, user_id=user_id, source=source):
                plan = _Plan(user_id, event.recorded_at.astimezone(UTC).date(), source.duration_ms)
                plans[video_id] = plan
                minutes[user_id, plan.day] += plan.ms
            case TranscodeFailed(video_id=video_id):
                plan = plans.pop(video_id, None)
                if plan is not None:
                    failed[plan.user_id, plan.day] += plan.ms
            case TranscodeCompleted() | TranscodeCancelled():
                plans.pop(event.data.video_id, None)
            case _:
                pass
    # Those of other videos that nobody asks for any more: a deleted video's transcode has no end.
    forgotten = refundable_plans.c.day < func.current_date() - _FORGOTTEN.days
    await connection.execute(
        delete(refundable_plans).where(refundable_plans.c.video_id.in_(about) | forgotten)
    )
    if plans:
        rows = [{"video_id": id_, **plan._asdict()} for id_, plan in plans.items()]
        await connection.execute(insert(refundable_plans).values(rows))
    await _add_minutes(connection, minutes)
    await _give_back(connection, failed)


async def _add_minutes(connection: AsyncConnection, minutes: Counter[tuple[str, date]]) -> None:
    more = [{"user_id": user, "day": day, "ms": ms} for (user, day), ms in minutes.items()]
    if more:
        statement = insert(planned_days).values(more)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "day"],
                set_={"ms": planned_days.c.ms + statement.excluded.ms},
            )
        )
    await connection.execute(
        delete(planned_days).where(
            planned_days.c.user_id.in_({user for user, _ in minutes}),
            planned_days.c.day < func.current_date() - _FORGOTTEN.days,
        )
    )


async def _give_back(connection: AsyncConnection, failed: Counter[tuple[str, date]]) -> None:
    row = planned_days.c
    for (user, day), ms in failed.items():
        await connection.execute(
            update(planned_days)
            .where(row.user_id == user, row.day == day)
            .values(ms=func.greatest(row.ms - ms, 0), failed_ms=row.failed_ms + ms)
        )
