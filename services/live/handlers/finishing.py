"""What the leader does for sessions that have ended: it has them made into videos.

Each step may be repeated, and may be done by two processes at the same time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from services.live.domain.session import Fenced, LiveSession
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import Owners
from services.live.ports import MediaStore, Metrics, Recorder
from services.live.row_ports import SessionRow, SessionRows
from shared.loops.items import ItemMetrics, Items

_BATCH: Final = 500


class Finishing:
    """Call ``round`` each second. Each step is reported to ``advanced``."""

    def __init__(
        self,
        sessions: SessionRows,
        events: LiveEvents,
        media: MediaStore,
        recorder: Recorder,
        owners: Owners,
        *,
        metrics: Metrics,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._sessions = sessions
        self._events = events
        self._media = media
        self._recorder = recorder
        self._owners = owners
        self._metrics = metrics
        self._items = Items("record sessions", items)
        self._advanced = advanced

    async def round(self) -> None:
        """Make the videos of sessions that have ended."""
        rows = await self._sessions.in_phase("ended", _BATCH, self._items.waiting)
        self._owners.look(rows)
        await self._items.each(rows, lambda row: row.video_id, self._finish)

    async def _finish(self, row: SessionRow) -> None:
        """Make the video, once the owner adds nothing more."""
        session = await self._events.session(row.video_id)
        owned = row.held and not self._owners.is_gone(row)
        if session.phase == "ended" and (owned or not await self._record(row, session)):
            return
        await self._sessions.set_phase(row.video_id, "closed")
        self._events.forget(row.video_id)
        self._advanced()

    async def _record(self, row: SessionRow, session: LiveSession) -> bool:
        """Whether nothing is left to do for an ended session."""
        if await self._events.is_video_deleted(row.video_id):
            return True
        if not session.record:
            await self._media.delete_prefix(f"{row.video_id}/")
            return True
        if session.next_segment == 0:
            return True
        try:
            await self._recorder.record(row.video_id)
        except Fenced:
            # The owner has added its last segments meanwhile: the next round takes them in.
            return False
        after = await self._events.session(row.video_id)
        if after.phase != "recorded":
            return False
        ended_at = row.ended_at or datetime.now(UTC)
        self._metrics.recorded((datetime.now(UTC) - ended_at).total_seconds())
        return True
