"""The table of simulcast targets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.rows import lock_user, transaction
from services.live.simulcast.sender import Progress
from services.live.simulcast.targets import TooManyTargets
from services.live.tables import simulcast_targets as targets
from shared.contracts import SimulcastState


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A target. ``video_id``, ``epoch``, ``state``, ``error``, ``dropped`` and ``since`` are what
    the owner of that session last said."""

    id: str
    live_id: str
    user_id: str
    name: str
    url: str
    sealed: bytes
    fingerprint: str
    created_at: datetime
    enabled: bool = True
    video_id: str | None = None
    epoch: int | None = None
    state: SimulcastState = "idle"
    error: str | None = None
    dropped: int = 0
    since: datetime | None = None

    def __repr__(self) -> str:
        return f"TargetRow({self.id})"


class Most(msgspec.Struct, frozen=True):
    """How many targets a stream, and a user, may have."""

    of_stream: int
    of_user: int


_COLUMNS: Final = tuple(targets.c[name] for name in TargetRow.__struct_fields__)


class TargetsRepository:
    """SQL of simulcast targets."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, row: TargetRow, most: Most) -> TargetRow:
        """The row that is there afterwards: an earlier one of this id, if there is any.

        Raises TooManyTargets.
        """
        async with transaction(self._engine) as connection:
            await lock_user(connection, row.user_id)
            same = (await connection.execute(_select().where(targets.c.id == row.id))).one_or_none()
            if same is not None:
                return TargetRow(**same._mapping)
            of_user = select(targets.c.live_id).where(targets.c.user_id == row.user_id)
            held = [str(found) for found in (await connection.scalars(of_user)).all()]
            if held.count(row.live_id) >= most.of_stream:
                raise TooManyTargets(f"A live stream may have {most.of_stream} targets.")
            if len(held) >= most.of_user:
                raise TooManyTargets(f"You may have {most.of_user} simulcast targets.")
            await connection.execute(insert(targets).values(msgspec.structs.asdict(row)))
        return row

    async def get(self, live_id: str, target_id: str) -> TargetRow | None:
        found = await self._all(
            _select().where(targets.c.id == target_id, targets.c.live_id == live_id)
        )
        return found[0] if found else None

    async def by_id(self, target_id: str) -> TargetRow | None:
        found = await self._all(_select().where(targets.c.id == target_id))
        return found[0] if found else None

    async def of_streams(self, live_ids: Sequence[str]) -> list[TargetRow]:
        """The oldest first."""
        return await self._all(
            _select().where(targets.c.live_id.in_(live_ids)).order_by(targets.c.created_at)
        )

    async def switch(self, target_id: str, *, enabled: bool) -> None:
        """Whatever was said of it is over: the owner of a session begins anew."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(targets)
                .where(targets.c.id == target_id)
                .values(enabled=enabled, state="idle", error=None)
            )

    async def remove(self, target_id: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(delete(targets).where(targets.c.id == target_id))

    async def report(self, target_id: str, video_id: str, epoch: int, progress: Progress) -> bool:
        """Store how a target is doing; False where a later owner of the session has said so."""
        older = or_(
            targets.c.video_id.is_(None),
            targets.c.video_id != video_id,
            targets.c.epoch <= epoch,
        )
        async with transaction(self._engine) as connection:
            changed = await connection.execute(
                update(targets)
                .where(targets.c.id == target_id, older)
                .values(
                    video_id=video_id,
                    epoch=epoch,
                    since=func.clock_timestamp(),
                    **msgspec.structs.asdict(progress),
                )
            )
        return changed.rowcount == 1

    async def _all(self, statement: Select[Any]) -> list[TargetRow]:
        async with transaction(self._engine) as connection:
            rows = await connection.execute(statement)
            return [TargetRow(**row._mapping) for row in rows]


def _select() -> Select[Any]:
    return select(*_COLUMNS)
