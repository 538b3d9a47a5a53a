"""The table of planned lives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, and_, delete, func, insert, not_, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.domain.plan import MISSED, SOON, Plan
from services.live.row_ports import PlanRow, TooManyPlans
from services.live.rows import lock_user, transaction
from services.live.tables import plans, sessions

# A change that is under way for longer has been left by a process that died.
_LEFT: Final = text("interval '10 seconds'")


_COLUMNS: Final = tuple(plans.c[name] for name in PlanRow.__struct_fields__ if name != "running")
_PLANNED: Final = plans.c.state == "planned"


class PlansRepository:
    """Implements ``row_ports.PlanRows``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reserve(self, row: PlanRow, most: int) -> None:
        values = msgspec.structs.asdict(row)
        del values["running"]
        async with transaction(self._engine) as connection:
            await lock_user(connection, row.user_id)
            others = select(func.count(plans.c.live_id.distinct())).where(
                plans.c.user_id == row.user_id,
                plans.c.live_id != row.live_id,
                plans.c.state.in_(("wanted", "planned")),
            )
            if (await connection.execute(others)).scalar_one() >= most:
                raise TooManyPlans(f"You may have {most} planned lives. Cancel one first.")
            old = and_(plans.c.live_id == row.live_id, plans.c.state == "cancelled")
            await connection.execute(delete(plans).where(old))
            await connection.execute(insert(plans).values(values))

    async def touch(self, live_id: str) -> None:
        await self._change(
            update(plans)
            .where(plans.c.live_id == live_id, _PLANNED)
            .values(unsettled=plans.c.unsettled + 1, touched_at=func.clock_timestamp())
        )

    async def store(self, plan: Plan, *, left: bool = False) -> None:
        done = 0 if left else func.greatest(plans.c.unsettled - 1, 0)
        values = msgspec.structs.asdict(plan)
        plan_id = values.pop("id")
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(plans).where(plans.c.id == plan_id).values(unsettled=done)
            )
            await connection.execute(
                update(plans)
                .where(plans.c.id == plan_id, plans.c.revision < plan.revision)
                .values(values)
            )

    async def drop(self, plan_id: str) -> None:
        open_ = and_(plans.c.id == plan_id, plans.c.state != "begun")
        async with transaction(self._engine) as connection:
            await connection.execute(delete(plans).where(open_))
            await connection.execute(update(plans).where(plans.c.id == plan_id).values(unsettled=0))

    async def forget(self, live_id: str) -> None:
        await self._change(delete(plans).where(plans.c.live_id == live_id))

    async def get(self, plan_id: str) -> PlanRow | None:
        found = await self._all(select(*_COLUMNS).where(plans.c.id == plan_id))
        return found[0] if found else None

    async def upcoming(self, user_id: str | None, limit: int) -> list[PlanRow]:
        shown = [_PLANNED, plans.c.visibility == "public"]
        if user_id is not None:
            shown.append(plans.c.user_id == user_id)
        return await self._all(
            select(*_COLUMNS).where(*shown).order_by(plans.c.scheduled_at, plans.c.id).limit(limit)
        )

    async def due(self, now: datetime, limit: int, without: Sequence[str]) -> list[PlanRow]:
        running = (
            select(sessions.c.video_id)
            .where(
                sessions.c.live_id == plans.c.live_id,
                sessions.c.phase == "open",
                sessions.c.started_at.is_not(None),
            )
            .limit(1)
            .scalar_subquery()
        )
        missed = plans.c.scheduled_at <= now - MISSED
        return await self._all(
            select(*_COLUMNS, running.label("running"))
            .where(
                _PLANNED,
                plans.c.scheduled_at <= now + SOON,
                plans.c.id.not_in(without),
                or_(not_(plans.c.announced), missed, running.is_not(None)),
            )
            .order_by(plans.c.scheduled_at)
            .limit(limit)
        )

    async def left(self, limit: int, without: Sequence[str]) -> list[PlanRow]:
        return await self._all(
            select(*_COLUMNS)
            .where(
                plans.c.unsettled > 0,
                plans.c.touched_at < func.clock_timestamp() - _LEFT,
                plans.c.id.not_in(without),
            )
            .order_by(plans.c.touched_at)
            .limit(limit)
        )

    async def _change(self, statement: Any) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(statement)

    async def _all(self, statement: Select[Any]) -> list[PlanRow]:
        async with transaction(self._engine) as connection:
            rows = await connection.execute(statement)
            return [PlanRow(**row._mapping) for row in rows]
