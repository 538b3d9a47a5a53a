"""Sessions: refreshed, listed and ended."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from services.auth import domain
from services.auth.handlers.session_ender import SessionEnder
from services.auth.handlers.session_opener import Tokens
from services.auth.ports import LockedToken, Metrics, Refreshed, Session, Sessions
from services.auth.tokens import (
    MAX_REFRESH_LENGTH,
    AccessTokens,
    Successors,
    refresh_token_hash,
)
from shared.errors import NotFound, Unauthenticated
from shared.http.access_tokens import Principal
from shared.telemetry import get_logger


class InvalidRefreshToken(Unauthenticated):
    """Unknown, used, expired or revoked. The caller does not learn which."""

    code = "invalid_refresh_token"


class SessionNotFound(NotFound):
    code = "session_not_found"


class SessionHandlers:
    """A session that is not refreshed for ``lifetime`` expires."""

    def __init__(
        self,
        sessions: Sessions,
        ender: SessionEnder,
        access_tokens: AccessTokens,
        successors: Successors,
        *,
        metrics: Metrics,
        lifetime: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._ender = ender
        self._access_tokens = access_tokens
        self._successors = successors
        self._metrics = metrics
        self._lifetime = lifetime
        self._clock = clock
        self._log = get_logger(__name__)

    async def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for new tokens. Raises InvalidRefreshToken.

        Callers who send one token within the grace get the same successor. A token that was used
        longer ago ends its whole session.
        """
        if len(token) > MAX_REFRESH_LENGTH:
            raise self._refused()
        now = self._clock()
        token_hash, successor = refresh_token_hash(token), self._successors.of(token)
        # Nearly every token is unused and of an open session.
        refreshed = await self._sessions.exchange(
            token_hash, refresh_token_hash(successor), now + self._lifetime, now
        )
        if refreshed is None:
            refreshed, successor = await self._judge(token_hash, successor, now)
        self._metrics.refresh("ok")
        access = self._access_tokens.issue(
            refreshed.user_id, refreshed.username, refreshed.session_id, now
        )
        return Tokens(access, successor)

    async def _judge(
        self, token_hash: bytes, successor: str, now: datetime
    ) -> tuple[Refreshed, str]:
        """Whose session a token keeps open that is not simply unused, and its last successor.

        Raises InvalidRefreshToken.
        """
        async with self._sessions.locked_token(token_hash) as presented:
            if presented is None:
                raise self._refused()
            session = presented.session
            verdict = domain.judge_refresh(presented.token, now)
            if verdict == "repeat":
                successor, exists = await self._last_successor(presented, successor)
            else:
                exists = verdict != "rotate"
            if not exists:
                await presented.rotate(refresh_token_hash(successor), now + self._lifetime, now)
        if verdict == "revoke":
            await self._end_reused(session)
            raise InvalidRefreshToken("Log in again.")
        if verdict == "refuse":
            raise self._refused()
        refreshed = Refreshed(session.session_id, session.user_id, presented.username)
        return refreshed, successor

    async def require_alive(self, principal: Principal) -> None:
        """Raises Unauthenticated where the token's session has ended, without a poll's delay."""
        if not await self._sessions.is_alive(
            principal.session_id, principal.user_id, self._clock()
        ):
            raise Unauthenticated("Log in again.")

    async def sessions(self, user_id: str) -> list[Session]:
        """A user's open sessions, last used first."""
        return await self._sessions.sessions_of(user_id, self._clock())

    async def logout(self, principal: Principal) -> None:
        """End the session that the caller's token belongs to."""
        await self._ender.end(principal.user_id, (principal.session_id,), "logout")

    async def revoke(self, user_id: str, session_id: str) -> None:
        """End one session of a user. Raises SessionNotFound."""
        if not await self._sessions.is_alive(session_id, user_id, self._clock()):
            raise SessionNotFound("There is no such session.")
        await self._ender.end(user_id, (session_id,), "revoked")

    async def revoke_all(self, user_id: str) -> int:
        """End all sessions of a user; returns how many there were."""
        return await self._ender.end(user_id, None, "revoked")

    async def _last_successor(self, presented: LockedToken, successor: str) -> tuple[str, bool]:
        """The unused token at the end of the chain: who races must not get a used one.

        False with it where it is not stored, because a process of an older version, which drew
        successors at random, has used the token before it.
        """
        while (unused := await presented.unused(refresh_token_hash(successor))) is False:
            successor = self._successors.of(successor)
        return successor, unused is not None

    def _refused(self) -> InvalidRefreshToken:
        self._metrics.refresh("refused")
        return InvalidRefreshToken("Log in again.")

    async def _end_reused(self, session: Session) -> None:
        self._metrics.refresh("reused")
        self._log.warning(
            "used refresh token sent again",
            user_id=session.user_id,
            session_id=session.session_id,
        )
        with contextlib.suppress(domain.UserNotFound):
            await self._ender.end(session.user_id, (session.session_id,), "refresh_token_reused")
