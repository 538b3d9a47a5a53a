"""The account: read, changed and deleted by its owner."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from services.auth import domain
from services.auth.event_outbox import EventOutbox
from services.auth.handlers.reauthentication import Reauthentication
from services.auth.passwords import CommonPasswords, Passwords
from services.auth.ports import Account, Accounts, Caller
from shared.contracts import Visibility
from shared.errors import Conflict, Forbidden
from shared.http.access_tokens import Principal


class NotYourAccount(Forbidden):
    code = "not_your_account"


class AccountHandlers:
    """Each change is committed together with its event."""

    def __init__(
        self,
        accounts: Accounts,
        outbox: EventOutbox,
        *,
        passwords: Passwords,
        common: CommonPasswords,
        reauthentication: Reauthentication,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._passwords = passwords
        self._common = common
        self._reauthentication = reauthentication
        self._clock = clock

    async def account(self, user_id: str) -> Account:
        """Raises UserNotFound."""
        account = await self._accounts.find(user_id)
        if account is None:
            raise domain.UserNotFound("There is no such user.")
        return account

    async def change_email(
        self, principal: Principal, email: str, password: str | None, caller: Caller
    ) -> Account:
        """Raises InvalidEmail, EmailTaken, and what ``Reauthentication.require`` raises."""
        email = domain.valid_email(email)
        await self._reauthentication.require(principal, password, caller)
        user_id = principal.user_id
        now = self._clock()
        async with self._accounts.locked(user_id) as locked:
            if locked.account.email != email:
                await locked.set_email(email, now)
                await self._outbox.decide(locked, domain.ChangeEmail(), now)
            account = msgspec.structs.replace(locked.account, email=email)
        await self._outbox.append_pending(user_id)
        return account

    async def change_default_visibility(
        self, principal: Principal, visibility: Visibility
    ) -> Account:
        """From now on, uploads that say no visibility have this one. Raises UserNotFound."""
        user_id = principal.user_id
        now = self._clock()
        async with self._accounts.locked(user_id) as locked:
            await locked.set_default_visibility(visibility, now)
            await self._outbox.decide(locked, domain.ChangeDefaultVisibility(visibility), now)
            account = msgspec.structs.replace(locked.account, default_visibility=visibility)
        await self._outbox.append_pending(user_id)
        return account

    async def change_password(
        self, principal: Principal, current: str, new: str, caller: Caller
    ) -> None:
        """Every other session ends. Raises WrongPassword, WeakPassword, TooManyRequests."""
        account = await self._reauthentication.check_password(
            principal, current, caller, "current_password"
        )
        self._common.check(
            new, username=account.username, email=account.email, field="new_password"
        )
        hashed = await self._passwords.hash(new, caller.counted_as)
        now = self._clock()
        async with self._accounts.locked(account.user_id) as locked:
            if locked.account.password_hash != account.password_hash:
                raise Conflict("The password was just changed. Try again.")
            others = tuple(s for s in await locked.session_ids() if s != principal.session_id)
            await locked.set_password(hashed, now)
            await locked.end_sessions(others, now)
            await self._outbox.decide(locked, domain.ChangePassword(others), now)
        await self._outbox.append_pending(account.user_id)

    async def delete(
        self, principal: Principal, user_id: str, password: str | None, caller: Caller
    ) -> None:
        """Erase the caller's own account.

        Raises NotYourAccount, UserNotFound, and what ``Reauthentication.require`` raises.
        """
        if user_id != principal.user_id:
            await self.account(user_id)
            raise NotYourAccount("You can only delete your own account.")
        await self._reauthentication.require(principal, password, caller)
        now = self._clock()
        async with self._accounts.locked(user_id) as locked:
            await self._outbox.decide(locked, domain.Delete(), now)
            await locked.erase(now)
        await self._outbox.append_pending(user_id)
