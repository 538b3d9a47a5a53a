"""What the leader does for running sessions: it notices dead owners, and ends what nobody comes
back to.

Each step may be repeated, and may be done by two processes at the same time.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.live.domain.session import Disconnect, LiveSession, Resume
from services.live.domain.stream import CloseSession
from services.live.handlers.allowances import Allowances
from services.live.handlers.ending import close_session, end_session
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import Owners
from services.live.row_ports import MOST_OPEN, SessionRow, SessionRows
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

# A session whose publisher was refused in the last step, or whose process died in between.
_UNBORN: Final = timedelta(minutes=1)


class Settling:
    """Call ``round`` each second. Each step is reported to ``advanced``."""

    def __init__(
        self,
        sessions: SessionRows,
        events: LiveEvents,
        allowances: Allowances,
        owners: Owners,
        *,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._sessions = sessions
        self._events = events
        self._allowances = allowances
        self._owners = owners
        self._items = Items("settle sessions", items)
        self._advanced = advanced

    async def round(self) -> int:
        """Bring each session that has not ended one step further; returns how many there are."""
        rows = await self._sessions.in_phase("open", MOST_OPEN, self._items.waiting)
        self._allowances.keep({row.video_id for row in rows})
        self._owners.look(rows)
        await self._items.each(rows, lambda row: row.video_id, self._settle)
        return len(rows)

    async def _settle(self, row: SessionRow) -> None:
        session = await self._events.session(row.video_id)
        if session.phase == "none":
            await self._settle_unborn(row)
        elif session.phase == "active" and self._owners.is_gone(row):
            await self._lose_owner(row, session)
        elif session.phase == "disconnected" and self._owners.sends(row):
            await self._resume(row, session)
        elif session.phase == "disconnected":
            await self._wait_for_publisher(row)
        elif session.phase in {"ended", "recorded"}:
            await close_session(self._events, self._sessions, row.video_id, row.user_id)
        else:
            await self._end_exceeding(row)
        self._advanced()

    async def _settle_unborn(self, row: SessionRow) -> None:
        """Close a session that no publisher came to."""
        if abs(datetime.now(UTC) - row.opened_at) < _UNBORN or not self._owners.is_gone(row):
            return
        await self._events.decide_stream(row.live_id, CloseSession(row.video_id), row.user_id)
        await self._sessions.set_phase(row.video_id, "closed")

    async def _lose_owner(self, row: SessionRow, session: LiveSession) -> None:
        """An owner that lives after all holds the session again with its next report."""
        command = Disconnect(
            epoch=session.epoch, reason="The server that received it is gone.", clean=False
        )
        await self._events.decide_session(row.video_id, command, row.user_id)
        _log.warning("owner of a session lost", video=row.video_id, replica=row.replica)

    async def _resume(self, row: SessionRow, session: LiveSession) -> None:
        """Only the database had lost the owner, which viewers did not notice."""
        command = Resume(epoch=session.epoch, replica=row.replica or "")
        await self._events.decide_session(row.video_id, command, row.user_id)
        _log.warning("owner of a session found again", video=row.video_id, replica=row.replica)

    async def _wait_for_publisher(self, row: SessionRow) -> None:
        """End a session whose reconnect window, since the last byte, is over."""
        stream = await self._events.stream(row.live_id)
        # Below zero where the clock was set back since.
        if abs(row.silent_seconds or 0.0) >= stream.settings.reconnect_seconds:
            await self._end(row, "Its publisher did not come back.")
        else:
            await self._end_exceeding(row)

    async def _end_exceeding(self, row: SessionRow) -> None:
        """End a session that may not go on."""
        reason = await self._allowances.reason(row)
        if reason is not None:
            await self._end(row, reason)

    async def _end(self, row: SessionRow, reason: str) -> None:
        await end_session(self._events, self._sessions, row.video_id, row.user_id, reason)
