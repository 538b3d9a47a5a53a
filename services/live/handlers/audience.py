"""What the leader does for running sessions: it notes how many watch them.

The numbers of a session are in Redis for a while only; the most of them are kept in its row, and
in its last event.
"""

from collections.abc import Callable

from services.live.ports import Metrics, Viewers
from services.live.row_ports import MOST_OPEN, SessionRows


class Audience:
    """Call ``round`` every few seconds, and ``leave`` when another replica does it. Each step is
    reported to ``advanced``."""

    def __init__(
        self,
        sessions: SessionRows,
        viewers: Viewers,
        metrics: Metrics,
        *,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._sessions = sessions
        self._viewers = viewers
        self._metrics = metrics
        self._advanced = advanced

    async def round(self) -> None:
        """Note the viewers of each running session. Where they are not known, nothing is noted."""
        rows = await self._sessions.in_phase("open", MOST_OPEN, ())
        ids = [row.video_id for row in rows]
        now, total = await self._viewers.now(ids), await self._viewers.total(ids)
        for video_id in ids:
            if video_id in now and video_id in total:
                await self._sessions.note_viewers(video_id, now[video_id], total[video_id])
            self._advanced()
        self._metrics.watched(sum(now.values()))

    def leave(self) -> None:
        self._metrics.watched(0)
