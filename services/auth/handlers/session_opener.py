"""A new session with its first tokens."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.auth.domain import UserNotFound
from services.auth.handlers.password_checks import WrongCredentials
from services.auth.handlers.session_ender import SessionEnder
from services.auth.ports import Account, Caller, Session, Sessions
from services.auth.tokens import AccessTokens, new_refresh_token, refresh_token_hash
from shared.contracts import new_id

MAX_SESSIONS: Final = 100
"""Open sessions of an account: beyond them, a login ends those that were used longest ago."""
MAX_ENDED: Final = 200
"""Sessions that one login ends: an account may have thousands from before there was a limit."""
_MAX_AGENT: Final = 200


class Tokens(msgspec.Struct, frozen=True):
    """The pair of tokens that keeps a client logged in."""

    access_token: str
    refresh_token: str


class SessionOpener:
    """Opens sessions. One that is not used for ``lifetime`` expires."""

    def __init__(
        self,
        sessions: Sessions,
        ender: SessionEnder,
        access_tokens: AccessTokens,
        *,
        lifetime: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._ender = ender
        self._access_tokens = access_tokens
        self._lifetime = lifetime
        self._clock = clock

    async def open(self, account: Account, caller: Caller) -> Tokens:
        """Raises WrongCredentials where the account is gone or its password has changed."""
        now = self._clock()
        expires_at = now + self._lifetime
        session = Session(
            session_id=new_id(),
            user_id=account.user_id,
            created_at=now,
            last_used_at=now,
            expires_at=expires_at,
            user_agent=caller.user_agent[:_MAX_AGENT],
        )
        refresh = new_refresh_token()
        opened = await self._sessions.open_session(
            session, account.password_hash, refresh_token_hash(refresh), expires_at
        )
        if not opened:
            raise WrongCredentials("Wrong username or password.")
        crowded = await self._sessions.least_used(account.user_id, MAX_SESSIONS, MAX_ENDED)
        if crowded:
            # Where the account was deleted meanwhile, they have ended with it.
            with contextlib.suppress(UserNotFound):
                await self._ender.end(account.user_id, tuple(crowded), "too_many")
        access = self._access_tokens.issue(
            account.user_id, account.username, session.session_id, now
        )
        return Tokens(access, refresh)
