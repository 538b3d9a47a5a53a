"""Appends are finished, expired and restored rows deleted. Repeated by every replica."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from services.auth.accounts_repository import AccountsRepository
from services.auth.domain import UserNotFound
from services.auth.event_outbox import EventOutbox
from services.auth.jwks import REVOKED_FOR
from services.auth.restored_rows import Over, RestoredRows
from services.auth.session_repository import SessionRepository
from shared.telemetry import get_logger

APPEND_SECONDS: Final = 5.0
PURGE_SECONDS: Final = 600.0
_ACCOUNTS: Final = 200
IDEMPOTENCY_LIFETIME: Final = timedelta(days=7)


class Maintenance:
    """Each step is harmless when two replicas do it together."""

    def __init__(
        self,
        accounts: AccountsRepository,
        outbox: EventOutbox,
        sessions: SessionRepository,
        restored: RestoredRows,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._sessions = sessions
        self._restored = restored
        # The account up to which restored rows were looked for; None once all were.
        self._looked_at: str | None = ""
        self._clock = clock
        self._log = get_logger(__name__)

    async def append_pending(self) -> None:
        """Append committed events that a process which died has left."""
        count = await self._outbox.append_all()
        if count:
            self._log.info("interrupted commands finished", count=count)

    async def purge(self) -> None:
        """Delete expired sessions and tokens, old revocations and idempotency keys."""
        now = self._clock()
        await self._sessions.purge(now, now - REVOKED_FOR, now - IDEMPOTENCY_LIFETIME)

    async def index_looks(self) -> None:
        """Find out how the usernames look that were made before looks were compared."""
        while await self._accounts.index_looks(_ACCOUNTS):
            pass

    async def end_restored(self) -> None:
        """End what the log has ended already. Only a restore leaves any, before the start."""
        while self._looked_at is not None:
            found, last = await self._restored.over(self._looked_at, _ACCOUNTS)
            for over in found:
                await self._end(over)
            self._looked_at = last

    async def _end(self, over: Over) -> None:
        # Another replica may have been here.
        with suppress(UserNotFound):
            async with self._accounts.locked(over.user_id) as locked:
                if over.deleted:
                    await locked.erase(self._clock())
                else:
                    await locked.end_sessions(over.sessions, self._clock())
            self._log.warning(
                "ended what a restore brought back", user=over.user_id, deleted=over.deleted
            )
