"""What people can do with their account: check, decide and commit together, append."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.auth import domain
from services.auth.domain import RevocationReason, User
from services.auth.event_outbox import Ledger, pending_events
from services.auth.passwords import CommonPasswords, Passwords
from services.auth.ports import Account, Figures, Session, Storage, Throttle
from services.auth.tokens import (
    MAX_REFRESH_LENGTH,
    AccessTokens,
    new_refresh_token,
    refresh_token_hash,
)
from shared.contracts import new_id
from shared.errors import (
    Conflict,
    Detail,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from shared.http.access_tokens import Principal
from shared.telemetry import get_logger
from shared.text_rules import username_key

_MAX_AGENT: Final = 200


class WrongCredentials(Unauthenticated):
    """The same for an unknown user and a wrong password."""

    code = "wrong_credentials"


class WrongPassword(InvalidInput):
    code = "wrong_password"


class InvalidRefreshToken(Unauthenticated):
    """Unknown, spent, expired or revoked; the caller learns nothing more."""

    code = "invalid_refresh_token"


class NotYourAccount(Forbidden):
    code = "not_your_account"


class SessionNotFound(NotFound):
    code = "session_not_found"


class Tokens(msgspec.Struct, frozen=True):
    """What a client needs to stay logged in."""

    access_token: str
    refresh_token: str


class Caller(msgspec.Struct, frozen=True):
    """Where a request comes from: the client's identity, and its program's name."""

    client: str
    user_agent: str = ""


class AuthHandlers:
    """``refresh_lifetime``: how long a login lasts without being used."""

    def __init__(
        self,
        *,
        storage: Storage,
        ledger: Ledger,
        passwords: Passwords,
        common: CommonPasswords,
        tokens: AccessTokens,
        throttle: Throttle,
        figures: Figures,
        clock: Callable[[], datetime],
        refresh_lifetime: timedelta,
    ) -> None:
        self._storage = storage
        self._ledger = ledger
        self._passwords = passwords
        self._common = common
        self._tokens = tokens
        self._throttle = throttle
        self._figures = figures
        self._clock = clock
        self._refresh_lifetime = refresh_lifetime
        self._log = get_logger(__name__)

    # Joining and coming back.

    async def register(
        self, username: str, password: str, email: str, caller: Caller, key: str | None = None
    ) -> tuple[Account, Tokens]:
        """A new account, logged in. With the same ``key`` again, the same account.

        Raises InvalidInput, UsernameTaken, EmailTaken.
        """
        username = domain.valid_username(username)
        email = domain.valid_email(email)
        self._common.check(password, username=username, email=email)
        key_hash = None if key is None else _key_hash(key, username, email)
        if key_hash is not None and (before := await self._storage.registered_with(key_hash)):
            return await self._register_again(before, password, caller)
        account = Account(
            user_id=new_id(),
            username=username,
            email=email,
            password_hash=await self._passwords.hash(password),
            created_at=self._clock(),
        )
        events = domain.decide(User(), domain.Register(account.user_id, username))
        await self._storage.register(account, key_hash, pending_events(account.user_id, 0, events))
        await self._ledger.settle(account.user_id)
        return account, await self._log_in(account, caller)

    async def login(self, username: str, password: str, caller: Caller) -> tuple[Account, Tokens]:
        """Raises WrongCredentials, TooManyRequests."""
        async with self._guess(caller.client, username_key(username)):
            account = await self._storage.find_by_username(username)
            stored = None if account is None else account.password_hash
            if not await self._passwords.verify(stored, password) or account is None:
                self._figures.login("wrong")
                raise WrongCredentials("Wrong username or password.")
        self._figures.login("ok")
        if self._passwords.outdated(account.password_hash):
            stronger = await self._passwords.hash(password)
            await self._storage.replace_hash(account.user_id, account.password_hash, stronger)
            account = msgspec.structs.replace(account, password_hash=stronger)
        return account, await self._log_in(account, caller)

    async def refresh(self, token: str) -> Tokens:
        """New tokens for a refresh token, which is then spent. Raises InvalidRefreshToken.

        A token that was spent longer ago than the grace ends its whole session.
        """
        if len(token) > MAX_REFRESH_LENGTH:
            raise self._refused()
        now = self._clock()
        async with self._storage.refreshing(refresh_token_hash(token)) as presented:
            if presented is None:
                raise self._refused()
            session, username = presented.session, presented.username
            verdict = domain.judge_refresh(presented.token, now)
            successor = new_refresh_token()
            if verdict == "rotate":
                await presented.rotate(
                    refresh_token_hash(successor), now + self._refresh_lifetime, now
                )
        if verdict == "revoke":
            self._figures.refresh("reused")
            self._log.warning(
                "a spent refresh token came back",
                user_id=session.user_id,
                session_id=session.session_id,
            )
            with contextlib.suppress(domain.UserNotFound):
                await self._end(session.user_id, (session.session_id,), "refresh_token_reused")
            raise InvalidRefreshToken("Log in again.")
        if verdict != "rotate":
            raise self._refused()
        self._figures.refresh("ok")
        access = self._tokens.issue(session.user_id, username, session.session_id, now)
        return Tokens(access, successor)

    def _refused(self) -> InvalidRefreshToken:
        self._figures.refresh("refused")
        return InvalidRefreshToken("Log in again.")

    # Sessions.

    async def require_alive(self, principal: Principal) -> None:
        """Raises Unauthenticated where the token's session has ended: here, at once."""
        if not await self._storage.is_alive(principal.session_id, principal.user_id, self._clock()):
            raise Unauthenticated("Log in again.")

    async def sessions(self, user_id: str) -> list[Session]:
        """Where somebody is logged in, last used first."""
        return await self._storage.sessions_of(user_id, self._clock())

    async def logout(self, principal: Principal) -> None:
        """End the session that the caller's token belongs to."""
        await self._end(principal.user_id, (principal.session_id,), "logout")

    async def revoke(self, user_id: str, session_id: str) -> None:
        """End one of one's sessions. Raises SessionNotFound."""
        if not await self._storage.is_alive(session_id, user_id, self._clock()):
            raise SessionNotFound("There is no such session.")
        await self._end(user_id, (session_id,), "revoked")

    async def revoke_all(self, user_id: str) -> int:
        """End all of one's sessions; returns how many there were."""
        return await self._end(user_id, None, "revoked")

    # The account.

    async def account(self, user_id: str) -> Account:
        """Raises UserNotFound."""
        account = await self._storage.find(user_id)
        if account is None:
            raise domain.UserNotFound("There is no such user.")
        return account

    async def change_email(self, user_id: str, email: str) -> Account:
        """Raises InvalidEmail, EmailTaken."""
        email = domain.valid_email(email)
        now = self._clock()
        async with self._storage.locked(user_id) as locked:
            if locked.account.email != email:
                await locked.set_email(email, now)
                await self._ledger.decide(locked, domain.ChangeEmail(), now)
            account = msgspec.structs.replace(locked.account, email=email)
        await self._ledger.settle(user_id)
        return account

    async def change_password(
        self, principal: Principal, current: str, new: str, caller: Caller
    ) -> None:
        """Every other session ends. Raises WrongPassword, WeakPassword, TooManyRequests."""
        account = await self.account(principal.user_id)
        async with self._guess(caller.client, f"user:{account.user_id}"):
            if not await self._passwords.verify(account.password_hash, current):
                raise WrongPassword(
                    "The current password is wrong.", [Detail("current_password", "is wrong")]
                )
        self._common.check(
            new, username=account.username, email=account.email, field="new_password"
        )
        hashed = await self._passwords.hash(new)
        now = self._clock()
        async with self._storage.locked(account.user_id) as locked:
            if locked.account.password_hash != account.password_hash:
                raise Conflict("The password was just changed. Try again.")
            others = tuple(s for s in await locked.session_ids() if s != principal.session_id)
            await locked.set_password(hashed, now)
            await locked.end_sessions(others, now)
            await self._ledger.decide(locked, domain.ChangePassword(others), now)
        await self._ledger.settle(account.user_id)

    async def delete(self, principal: Principal, user_id: str) -> None:
        """Erase one's own account. Raises NotYourAccount, UserNotFound."""
        if user_id != principal.user_id:
            await self.account(user_id)
            raise NotYourAccount("You can only delete your own account.")
        now = self._clock()
        async with self._storage.locked(user_id) as locked:
            await self._ledger.decide(locked, domain.Delete(), now)
            await locked.erase(now)
        await self._ledger.settle(user_id)

    @asynccontextmanager
    async def _guess(self, client: str, account: str) -> AsyncGenerator[None]:
        """Around a password check: only a wrong password uses an attempt up, not our faults."""
        try:
            await self._throttle.attempt(client, account)
        except TooManyRequests:
            self._figures.throttled()
            raise
        try:
            yield
        except (WrongCredentials, WrongPassword):
            raise
        except Exception:
            await self._throttle.undecided(client, account)
            raise
        await self._throttle.succeeded(client, account)

    async def _end(
        self, user_id: str, session_ids: tuple[str, ...] | None, reason: RevocationReason
    ) -> int:
        now = self._clock()
        async with self._storage.locked(user_id) as locked:
            alive = await locked.session_ids()
            ending = tuple(s for s in alive if session_ids is None or s in session_ids)
            if ending:
                await locked.end_sessions(ending, now)
                await self._ledger.decide(locked, domain.RevokeSessions(ending, reason), now)
        await self._ledger.settle(user_id)
        return len(ending)

    async def _register_again(
        self, account: Account, password: str, caller: Caller
    ) -> tuple[Account, Tokens]:
        if not await self._passwords.verify(account.password_hash, password):
            raise Conflict("This Idempotency-Key was used for another registration.")
        await self._ledger.settle(account.user_id)
        return account, await self._log_in(account, caller)

    async def _log_in(self, account: Account, caller: Caller) -> Tokens:
        now = self._clock()
        expires_at = now + self._refresh_lifetime
        session = Session(
            session_id=new_id(),
            user_id=account.user_id,
            created_at=now,
            last_used_at=now,
            expires_at=expires_at,
            user_agent=caller.user_agent[:_MAX_AGENT],
        )
        refresh = new_refresh_token()
        opened = await self._storage.open_session(
            session, account.password_hash, refresh_token_hash(refresh), expires_at
        )
        if not opened:
            raise WrongCredentials("Wrong username or password.")
        access = self._tokens.issue(account.user_id, account.username, session.session_id, now)
        return Tokens(access, refresh)


def _key_hash(key: str, username: str, email: str) -> bytes:
    """One person's key means nothing in another's request."""
    return hashlib.sha256("\0".join((key, username, email)).encode()).digest()
