"""What the leader does for accounts that are deleted: their live streams go with them.

Each step may be repeated, and may be done by two processes at the same time.
"""

from collections.abc import Callable
from typing import Final

from services.live.domain.stream import DeleteStream, LiveStreamNotFound
from services.live.handlers.ending import end_session
from services.live.handlers.live_events import LiveEvents
from services.live.row_ports import SessionRows, StreamRow, StreamRows
from shared.loops.items import ItemMetrics, Items

_BATCH: Final = 500


class DeletedAccounts:
    """Call ``round`` from time to time. Each step is reported to ``advanced``."""

    def __init__(
        self,
        streams: StreamRows,
        sessions: SessionRows,
        events: LiveEvents,
        *,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._streams = streams
        self._sessions = sessions
        self._events = events
        self._items = Items("streams of deleted accounts", items)
        self._advanced = advanced
        # Whether the accounts of a page are deleted.
        self._gone: dict[str, bool] = {}

    async def round(self) -> None:
        """Delete the live streams of accounts that are deleted."""
        after = ""
        while rows := await self._streams.page(after, _BATCH):
            self._gone.clear()
            await self._items.each(rows, lambda row: row.id, self._settle)
            after = rows[-1].id

    async def _settle(self, row: StreamRow) -> None:
        if row.user_id not in self._gone:
            self._gone[row.user_id] = await self._events.is_account_deleted(row.user_id)
        if self._gone[row.user_id]:
            await self._delete_stream(row.id, row.user_id)
        self._advanced()

    async def _delete_stream(self, live_id: str, user_id: str) -> None:
        try:
            stream = await self._events.decide_stream(live_id, DeleteStream(user_id), user_id)
        except LiveStreamNotFound:
            stream = await self._events.stream(live_id)
        if stream.video_id is not None:
            reason = "The account was deleted."
            await end_session(self._events, self._sessions, stream.video_id, user_id, reason)
        await self._streams.remove(live_id)
