"""Interrupted appends are finished and expired rows deleted. Repeated by every replica."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from services.auth.accounts_repository import AccountsRepository
from services.auth.event_outbox import EventOutbox
from services.auth.jwks import REVOKED_FOR
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
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._sessions = sessions
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
