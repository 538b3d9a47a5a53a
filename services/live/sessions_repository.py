"""The table of sessions: who owns which, and since when nothing was heard of the owner."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Row, Select, and_, case, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.live.ports import Refused
from services.live.row_ports import QUIET_SECONDS, Beat, Report, SessionRow
from services.live.rows import lock_user, transaction
from services.live.tables import sessions, streams

# A publisher that sent nothing for so long is displaced by another one.
_SILENT: Final = timedelta(seconds=3)
_QUIET: Final = timedelta(seconds=QUIET_SECONDS)
_NOW: Final = func.clock_timestamp
_AGES: Final = {
    "quiet_seconds": sessions.c.beat_at,
    "silent_seconds": sessions.c.media_at,
    "age_seconds": sessions.c.opened_at,
}
_COLUMNS: Final = (
    *(sessions.c[name] for name in SessionRow.__struct_fields__ if name not in _AGES),
    *(func.extract("epoch", _NOW() - since).label(name) for name, since in _AGES.items()),
)


class SessionsRepository:
    """Implements ``row_ports.SessionRows``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, video_id: str, live_id: str, user_id: str, title: str, most: int) -> None:
        async with transaction(self._engine) as connection:
            await lock_user(connection, user_id)
            count = select(func.count()).where(
                sessions.c.user_id == user_id, sessions.c.phase == "open"
            )
            if (await connection.execute(count)).scalar_one() >= most:
                lives = "one live stream" if most == 1 else f"{most} live streams"
                raise Refused("too_many", f"You may send {lives} at once.")
            await connection.execute(
                insert(sessions).values(
                    video_id=video_id, live_id=live_id, user_id=user_id, title=title
                )
            )

    async def claim(self, video_id: str, key_hash: str, address: str, replica: str) -> None:
        async with transaction(self._engine) as connection:
            # Locked: a key that is replaced now waits, and then finds this claim (replace_key).
            key = select(streams.c.id).where(streams.c.key_hash == key_hash)
            known = await connection.scalar(key.with_for_update(read=True))
            if known is None:
                raise Refused("unknown_key", "This stream key is not known.")
            claimed = await connection.execute(
                update(sessions)
                .where(sessions.c.video_id == video_id, _is_free())
                .values(
                    held=True,
                    closing=None,
                    address=address,
                    replica=replica,
                    health=None,
                    beat_at=_NOW(),
                    media_at=_NOW(),
                )
            )
            if not claimed.rowcount:
                raise Refused("already_live", "Another program sends to this live stream.")

    async def give_back(self, video_id: str, replica: str) -> None:
        await self._change(
            and_(sessions.c.video_id == video_id, sessions.c.replica == replica),
            held=False,
            beat_at=_NOW() - _QUIET,
        )

    async def own(
        self,
        video_id: str,
        epoch: int,
        address: str,
        replica: str,
        started_at: datetime | None,
    ) -> None:
        row = sessions.c
        await self._change(
            and_(row.video_id == video_id, row.epoch < epoch),
            epoch=epoch,
            # Again, because the owner of before may have reported since the claim.
            held=True,
            address=address,
            replica=replica,
            started_at=func.coalesce(row.started_at, started_at),
        )

    async def beat(self, video_id: str, epoch: int, report: Report) -> Beat | None:
        shown = sessions.c
        # Of an ended session, an owner that has nothing to add has nothing to report.
        reports = or_(shown.phase == "open", shown.held) if report.held else shown.phase == "open"
        async with transaction(self._engine) as connection:
            row = (
                await connection.execute(
                    update(sessions)
                    .where(sessions.c.video_id == video_id, sessions.c.epoch == epoch)
                    .where(reports)
                    .values(
                        # An owner that adds nothing leaves what another one has claimed.
                        held=report.held or and_(shown.held, shown.replica != report.replica),
                        address=report.address if report.held else shown.address,
                        replica=report.replica if report.held else shown.replica,
                        beat_at=_NOW(),
                        media_at=_NOW() if report.sending else shown.media_at,
                        health=func.coalesce(report.health, shown.health),
                    )
                    .returning(sessions.c.epoch, sessions.c.closing)
                )
            ).one_or_none()
        return None if row is None else Beat(epoch=row.epoch, closing=row.closing)

    async def started(self, video_id: str, at: datetime) -> None:
        await self._change(
            and_(sessions.c.video_id == video_id, sessions.c.started_at.is_(None)), started_at=at
        )

    async def release(self, video_id: str, epoch: int) -> None:
        await self._change(
            and_(sessions.c.video_id == video_id, sessions.c.epoch == epoch), held=False
        )

    async def note_viewers(self, video_id: str, now: int, total: int) -> None:
        row = sessions.c
        await self._change(
            row.video_id == video_id,
            peak_viewers=func.greatest(func.coalesce(row.peak_viewers, 0), now),
            total_viewers=func.greatest(func.coalesce(row.total_viewers, 0), total, now),
        )

    async def close_publisher(self, video_id: str, reason: str) -> None:
        await self._change(sessions.c.video_id == video_id, closing=reason)

    async def set_phase(self, video_id: str, phase: Literal["ended", "closed"]) -> None:
        ended_at = func.coalesce(sessions.c.ended_at, _NOW())
        await self._change(sessions.c.video_id == video_id, phase=phase, ended_at=ended_at)

    async def get(self, video_id: str) -> SessionRow | None:
        found = await self._all(_select().where(sessions.c.video_id == video_id))
        return found[0] if found else None

    async def of_stream(self, live_id: str, limit: int) -> list[SessionRow]:
        return await self._all(
            _select()
            .where(sessions.c.live_id == live_id, sessions.c.epoch > 0)
            .order_by(sessions.c.opened_at.desc())
            .limit(limit)
        )

    async def running(self, live_ids: Sequence[str]) -> dict[str, SessionRow]:
        found = await self._all(
            _select()
            .where(
                sessions.c.live_id.in_(live_ids), sessions.c.phase == "open", sessions.c.epoch > 0
            )
            .order_by(sessions.c.opened_at)
        )
        return {row.live_id: row for row in found}

    async def in_phase(
        self, phase: Literal["open", "ended"], limit: int, without: Sequence[str]
    ) -> list[SessionRow]:
        return await self._all(
            _select()
            .where(sessions.c.phase == phase, sessions.c.video_id.not_in(without))
            .order_by(sessions.c.opened_at)
            .limit(limit)
        )

    async def _change(self, which: Any, **values: Any) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(update(sessions).where(which).values(**values))

    async def _all(self, statement: Select[Any]) -> list[SessionRow]:
        async with transaction(self._engine) as connection:
            return [_row(row) for row in await _rows(connection, statement)]


def _is_free() -> Any:
    """Whether nobody holds a session, or its owner is quiet, or its publisher is silent."""
    row = sessions.c
    return case(
        (row.held.is_(False), True),
        (row.beat_at.is_(None), True),
        # Later than now: before the clock was set back.
        (not_(row.beat_at.between(_NOW() - _QUIET, _NOW() + _QUIET)), True),
        (not_(row.media_at.between(_NOW() - _SILENT, _NOW() + _SILENT)), True),
        else_=False,
    )


def _select() -> Select[Any]:
    return select(*_COLUMNS)


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> Sequence[Row[Any]]:
    return (await connection.execute(statement)).all()


def _row(row: Row[Any]) -> SessionRow:
    values = dict(row._mapping)
    for name in _AGES:
        values[name] = None if values[name] is None else float(values[name])
    return SessionRow(**values)
