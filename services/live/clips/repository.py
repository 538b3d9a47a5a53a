"""The table of clips: what was asked for, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.live.clips.rules import State, TooManyClips
from services.live.rows import lock_user, transaction
from services.live.tables import clips
from shared.contracts import Visibility
from shared.event_store.group_commit import LOG_CHANNEL

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
    """SQL of clips. ``most``: clips that a person may ask for in a day, and that all others may
    ask for of one person's lives."""

    def __init__(self, engine: AsyncEngine, most: int) -> None:
        self._engine = engine
        self._most = most

    async def add(self, row: ClipRow) -> ClipRow:
        """The row that is there afterwards: an earlier one of this id, if there is any.

        Those that could not be made count, too: they cost as much. Raises TooManyClips.
        """
        async with transaction(self._engine) as connection:
            # In one order, or two people who clip each other's lives could wait for each other.
            for user_id in sorted({row.user_id, row.made_by}):
                await lock_user(connection, user_id)
            same = _select().where(clips.c.video_id == row.video_id)
            if found := (await connection.execute(same)).one_or_none():
                return ClipRow(**found._mapping)
            await self._check_count(connection, row)
            await connection.execute(insert(clips).values(msgspec.structs.asdict(row)))
            # Whoever makes clips may rest: nothing tells of this one yet.
            await connection.execute(select(func.pg_notify(LOG_CHANNEL, "")))
        return row

    async def _check_count(self, connection: AsyncConnection, row: ClipRow) -> None:
        """Each count for itself: what somebody makes elsewhere is not taken from this owner's."""
        if await _of_a_day(connection, clips.c.made_by == row.made_by) >= self._most:
            raise TooManyClips(f"You may make {self._most} clips a day.")
        if row.made_by == row.user_id:
            return
        by_others = and_(clips.c.user_id == row.user_id, clips.c.made_by != clips.c.user_id)
        left = self._most - await _of_a_day(connection, by_others)
        if left <= 0:
            sentence = f"Viewers may make {self._most} clips a day of one person's lives."
            raise TooManyClips(sentence)
        # One viewer may make as many as are left, so that there are some for whoever comes.
        by_this_one = and_(clips.c.user_id == row.user_id, clips.c.made_by == row.made_by)
        if await _of_a_day(connection, by_this_one) >= left:
            raise TooManyClips("You may make no more clips of this person's lives today.")

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


async def _of_a_day(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    since = func.clock_timestamp() - _DAY
    count = select(func.count()).select_from(clips).where(which, clips.c.asked_at > since)
    return (await connection.execute(count)).scalar_one()


def _select() -> Select[Any]:
    return select(*_COLUMNS)
