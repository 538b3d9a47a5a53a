"""Why a running session has to end although its publisher goes on."""

import time
from collections.abc import Callable, Collection
from typing import Final

from services.live.handlers.live_events import LiveEvents
from services.live.ports import Accounts
from services.live.row_ports import SessionRow

# Between two looks at the log and at the account, of one session.
_LOOK_SECONDS: Final = 5.0


class Allowances:
    """``hours``: how long a session may last. ``clock``: steady, in seconds."""

    def __init__(
        self,
        events: LiveEvents,
        accounts: Accounts,
        *,
        hours: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._accounts = accounts
        self._hours = hours
        self._clock = clock
        # When each session was last looked at.
        self._looked: dict[str, float] = {}

    def keep(self, video_ids: Collection[str]) -> None:
        """Forget all other sessions."""
        self._looked = {key: at for key, at in self._looked.items() if key in video_ids}

    async def reason(self, row: SessionRow) -> str | None:
        """Why the session has to end, in a sentence; None if it may go on."""
        if row.age_seconds > self._hours * 3600:
            return f"It lasted {self._hours:g} hours, which is as long as a live may be."
        now = self._clock()
        if now - self._looked.get(row.video_id, float("-inf")) < _LOOK_SECONDS:
            return None
        self._looked[row.video_id] = now
        if await self._events.is_video_deleted(row.video_id):
            return "Its video was deleted."
        if await self._events.is_account_deleted(row.user_id):
            return "The account was deleted."
        return await self._accounts.refusal(row.user_id, begins=False)
