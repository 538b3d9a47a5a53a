"""The table of clips: what was asked for, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.clips.rules import State, TooManyClips
from services.live.rows import lock_user, transaction
from services.live.tables import clips
from shared.contracts import Visibility

_DAY: Final = text("interval '1 day'")


class ClipRow(msgspec.Struct, frozen=True, kw_only=True):
    """A clip. ``video_id`` is its own video, ``source_id`` the live's; ``user_id`` owns both.

    ``visibility`` is None where it is to be the live's. ``started_at`` and ``duration_ms`` are its
    real bounds, once it is made; ``reason`` says in a sentence why it could not be.
    """

    video_id: str
    live_id: str
    source_id: str
    user_id: str
    made_by: str
    title: str
    visibility: Visibility | None
    seconds: int
    ends_at: datetime
    fingerprint: str
    asked_at: datetime
    state: State = "waiting"
    reason: str | None = None
    started_at: datetime | None = None
    duration_ms: int | None = None


_COLUMNS: Final = tuple(clips.c[name] for name in ClipRow.__struct_fields__)


class ClipsRepository:
    """SQL of clips."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, row: ClipRow, most: int) -> ClipRow:
        """The row that is there afterwards: an earlier one of this id, if there is any.

        Raises TooManyClips where the maker has made ``most`` in a day, or others have made so many
        of this owner's lives.
        """
        async with transaction(self._engine) as connection:
            # In one order, or two people who clip each other's lives could wait for each other.
            for user_id in sorted({row.user_id, row.made_by}):
                await lock_user(connection, user_id)
            same = _select().where(clips.c.video_id == row.video_id)
            if found := (await connection.execute(same)).one_or_none():
                return ClipRow(**found._mapping)
            theirs = clips.c.made_by == row.made_by
            if row.made_by != row.user_id:
                others = clips.c.made_by != clips.c.user_id
                theirs = or_(theirs, (clips.c.user_id == row.user_id) & others)
            count = (
                select(func.count())
                .select_from(clips)
                .where(theirs, clips.c.asked_at > func.clock_timestamp() - _DAY)
            )
            if (await connection.execute(count)).scalar_one() >= most:
                raise TooManyClips(most)
            await connection.execute(insert(clips).values(msgspec.structs.asdict(row)))
        return row

    async def get(self, video_id: str) -> ClipRow | None:
        found = await self._all(_select().where(clips.c.video_id == video_id))
        return found[0] if found else None

    async def of_stream(self, live_id: str, limit: int) -> list[ClipRow]:
        """The newest first."""
        return await self._all(
            _select()
            .where(clips.c.live_id == live_id)
            .order_by(clips.c.asked_at.desc())
            .limit(limit)
        )

    async def waiting(self, limit: int, without: Sequence[str]) -> list[ClipRow]:
        """Those that are to be made, the oldest first."""
        return await self._all(
            _select()
            .where(clips.c.state == "waiting", clips.c.video_id.not_in(without))
            .order_by(clips.c.asked_at)
            .limit(limit)
        )

    async def done(self, row: ClipRow) -> None:
        """Store what came of it."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(clips)
                .where(clips.c.video_id == row.video_id)
                .values(
                    state=row.state,
                    reason=row.reason,
                    started_at=row.started_at,
                    duration_ms=row.duration_ms,
                )
            )

    async def _all(self, statement: Select[Any]) -> list[ClipRow]:
        async with transaction(self._engine) as connection:
            rows = await connection.execute(statement)
            return [ClipRow(**row._mapping) for row in rows]


def _select() -> Select[Any]:
    return select(*_COLUMNS)
