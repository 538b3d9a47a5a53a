"""What an operator may do to a session of somebody else."""

from typing import Final
from uuid import UUID

from services.live.handlers.ending import end_session
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import is_quiet
from services.live.row_ports import SessionRow, SessionRows
from shared.errors import NotFound

_OPERATOR: Final = "operator"
_ENDED: Final = "An operator ended the live stream."
_KICKED: Final = "An operator closed the connection."


class SessionNotFound(NotFound):
    """No live session has this id."""

    code = "live_session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such live session.")


class Interventions:
    """Through the log and the owner's next report, as everything else that ends a session."""

    def __init__(self, sessions: SessionRows, events: LiveEvents) -> None:
        self._sessions = sessions
        self._events = events

    async def end(self, video_id: str) -> tuple[SessionRow, bool]:
        """End a session; returns whether it had not ended. Raises SessionNotFound."""
        row = await self._row(video_id)
        before = await self._events.session(video_id)
        if before.phase in {"ended", "recorded"}:
            return row, False
        await end_session(self._events, self._sessions, video_id, _OPERATOR, _ENDED)
        return row, True

    async def kick(self, video_id: str) -> tuple[SessionRow, bool]:
        """Close a session's publisher; returns whether there was one. Raises SessionNotFound."""
        row = await self._row(video_id)
        if row.phase != "open" or not row.held or is_quiet(row):
            return row, False
        await self._sessions.close_publisher(video_id, _KICKED)
        return row, True

    async def _row(self, video_id: str) -> SessionRow:
        try:
            row = await self._sessions.get(str(UUID(video_id)))
        except ValueError:
            row = None
        if row is None:
            raise SessionNotFound
        return row
