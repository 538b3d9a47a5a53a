"""Changes of an account ask again who is there: a stolen session alone must not take it over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from services.auth.domain import UserNotFound
from services.auth.handlers.password_checks import PasswordChecks, WrongPassword
from services.auth.passwords import Passwords
from services.auth.ports import Account, Accounts, Caller, Sessions
from shared.errors import Detail, Forbidden
from shared.http.access_tokens import Principal

RECENT: Final = timedelta(minutes=5)
"""For how long after a login no password is asked for."""


class ReauthenticationRequired(Forbidden):
    code = "reauthentication_required"


class Reauthentication:
    """Accepts the account's password, or a session that was opened a moment ago."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        *,
        passwords: Passwords,
        checks: PasswordChecks,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._checks = checks
        self._clock = clock

    async def require(self, principal: Principal, password: str | None, caller: Caller) -> None:
        """Raises ReauthenticationRequired, and WrongPassword or TooManyRequests for a password."""
        if password is not None:
            await self.check_password(principal, password, caller, "password")
            return
        opened_at = await self._sessions.opened_at(principal.session_id)
        if opened_at is None or self._clock() - opened_at > RECENT:
            raise ReauthenticationRequired(
                "Confirm this with your password, or log in again first.",
                [Detail("password", "is required, because your login is older than 5 minutes")],
            )

    async def check_password(
        self, principal: Principal, password: str, caller: Caller, field: str
    ) -> Account:
        """The caller's account. Raises WrongPassword, TooManyRequests, UserNotFound."""
        account = await self._accounts.find(principal.user_id)
        if account is None:
            raise UserNotFound("There is no such user.")
        async with self._checks.attempt(caller, account.user_id, ""):
            if not await self._passwords.verify(account.password_hash, password, caller.counted_as):
                words = "The current password is wrong."
                raise WrongPassword(words, [Detail(field, "is wrong")])
        return account
