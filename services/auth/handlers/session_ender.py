"""Ends sessions: in auth's tables, and for all other services by the log."""

from collections.abc import Callable
from datetime import datetime

from services.auth import domain
from services.auth.domain import RevocationReason
from services.auth.event_outbox import EventOutbox
from services.auth.ports import Accounts


class SessionEnder:
    """Ends some sessions of an account, or all of them."""

    def __init__(
        self, accounts: Accounts, outbox: EventOutbox, clock: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._clock = clock

    async def end(
        self, user_id: str, session_ids: tuple[str, ...] | None, reason: RevocationReason
    ) -> int:
        """Returns how many there were; None stands for all. Raises UserNotFound."""
        now = self._clock()
        wanted = None if session_ids is None else frozenset(session_ids)
        async with self._accounts.locked(user_id) as locked:
            alive = await locked.session_ids()
            ending = tuple(s for s in alive if wanted is None or s in wanted)
            if ending:
                await locked.end_sessions(ending, now)
                await self._outbox.decide(locked, domain.RevokeSessions(ending, reason), now)
        await self._outbox.append_pending(user_id)
        return len(ending)
