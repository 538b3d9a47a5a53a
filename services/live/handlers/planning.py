"""Planned lives: rows that follow the log, what viewers read, and what the leader does in time."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from services.live.domain.plan import (
    MISSED,
    AnnouncePlan,
    CancelPlan,
    LeadersPlanCommand,
    MeetPlan,
    MissPlan,
    SchedulePlan,
    checked_time,
)
from services.live.domain.stream import LiveSettings, LiveStream, LiveStreamNotFound
from services.live.handlers.live_events import LiveEvents
from services.live.row_ports import PlanRow, PlanRows
from shared.contracts import SHOWN_TO_OTHERS, Visibility, new_id
from shared.errors import NotFound
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

PLANS: Final = "planned lives"
_BATCH: Final = 500


class PlanNotFound(NotFound):
    """There is no such planned live, or not for this caller."""

    code = "planned_live_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such planned live.")


class Wish(msgspec.Struct, frozen=True):
    """When the owner, whose name is ``username``, wants the next live to begin."""

    scheduled_at: datetime
    username: str


class Planning:
    """``most``: planned lives that a user may have. Call ``round`` each second."""

    def __init__(
        self,
        rows: PlanRows,
        events: LiveEvents,
        *,
        most: int,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rows = rows
        self._events = events
        self._most = most
        self._items = Items(PLANS, items)
        self._advanced = advanced
        self._clock = clock

    def check(self, wish: Wish) -> None:
        """Raises InvalidInput."""
        checked_time(wish.scheduled_at, self._clock())

    async def reserve(
        self, user_id: str, live_id: str, settings: LiveSettings, wish: Wish
    ) -> SchedulePlan:
        """The command for a new plan, whose row is there. Call ``settle`` after it.

        Raises TooManyPlans.
        """
        command = SchedulePlan(user_id, new_id(), wish.scheduled_at, self._clock())
        row = PlanRow(
            id=command.plan_id,
            live_id=live_id,
            user_id=user_id,
            username=wish.username,
            title=settings.title,
            description=settings.description,
            visibility=settings.visibility,
            scheduled_at=wish.scheduled_at,
        )
        await self._rows.reserve(row, self._most)
        return command

    async def settle(self, stream: LiveStream, command: SchedulePlan) -> None:
        """The command of ``reserve`` is in the log, or another plan was there before it."""
        if stream.plan is not None:
            await self._rows.store(stream.plan)
        if stream.plan is None or stream.plan.id != command.plan_id:
            await self._rows.drop(command.plan_id)

    async def schedule(self, user_id: str, stream: LiveStream, wish: Wish | None) -> LiveStream:
        """Give the stream's next live a time, another time, or, with None, none.

        Raises InvalidInput, TooManyPlans.
        """
        planned = stream.plan is not None and stream.plan.state == "planned"
        if wish is not None and not planned:
            command = await self.reserve(user_id, stream.id, stream.settings, wish)
            after = await self._events.decide_stream(stream.id, command, user_id)
            await self.settle(after, command)
            return after
        if wish is None:
            change: SchedulePlan | CancelPlan = CancelPlan(user_id)
        else:
            change = SchedulePlan(user_id, new_id(), wish.scheduled_at, self._clock())
        await self._rows.touch(stream.id)
        after = await self._events.decide_stream(stream.id, change, user_id)
        await self.follow(after)
        return after

    async def changing(self, live_id: str) -> None:
        """The stream's texts are about to change. Call ``follow`` after it."""
        await self._rows.touch(live_id)

    async def follow(self, stream: LiveStream) -> None:
        """The stream has changed."""
        if stream.plan is not None:
            await self._rows.store(stream.plan)

    async def get(self, caller: str | None, plan_id: str) -> PlanRow:
        """Raises PlanNotFound, also where the caller may not see it."""
        row = await self._rows.get(plan_id)
        if row is None or row.state == "wanted":
            raise PlanNotFound
        if caller != row.user_id and await self._visibility(row) not in SHOWN_TO_OTHERS:
            raise PlanNotFound
        if await self._events.is_account_deleted(row.user_id):
            raise PlanNotFound
        return row

    async def _visibility(self, row: PlanRow) -> Visibility | None:
        """Who sees it now: once it is over, its row does not follow what its owner hides."""
        if row.state == "begun" and row.video_id is not None:
            return await self._events.visibility(row.video_id)
        if row.state == "cancelled":
            return await self._events.stream_visibility(row.live_id)
        return row.visibility

    async def upcoming(self, user_id: str | None, limit: int) -> list[PlanRow]:
        """Public ones, the soonest first: of one user, or of each user the soonest."""
        if user_id is not None:
            found = await self._rows.upcoming(user_id, limit)
        else:
            rows = await self._rows.upcoming(None, limit * self._most)
            first: dict[str, PlanRow] = {}
            for row in rows:
                first.setdefault(row.user_id, row)
            found = list(first.values())[:limit]
        gone = await self._events.deleted_accounts({row.user_id for row in found})
        return [row for row in found if row.user_id not in gone]

    async def round(self) -> None:
        """Finish what was left, and say of each plan what its time brings."""
        left = await self._rows.left(_BATCH, self._items.waiting)
        await self._items.each(left, lambda row: row.id, self._finish)
        due = await self._rows.due(self._clock(), _BATCH, self._items.waiting)
        await self._items.each(due, lambda row: row.id, self._advance)

    async def _finish(self, row: PlanRow) -> None:
        stream = await self._events.stream(row.live_id)
        if stream.plan is not None and stream.plan.id == row.id:
            await self._rows.store(stream.plan, left=True)
        else:
            await self._rows.drop(row.id)
        self._advanced()

    async def _advance(self, row: PlanRow) -> None:
        try:
            stream = await self._events.decide_stream(row.live_id, self._next(row), row.user_id)
        except LiveStreamNotFound:
            await self._rows.forget(row.live_id)
        else:
            await self.follow(stream)
        self._advanced()

    def _next(self, row: PlanRow) -> LeadersPlanCommand:
        now = self._clock()
        if row.running is not None:
            return MeetPlan(row.id, row.running, now)
        if row.scheduled_at <= now - MISSED:
            return MissPlan(row.id, now)
        return AnnouncePlan(row.id, now)
