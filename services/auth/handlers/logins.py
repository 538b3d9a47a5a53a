"""Registration and login."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from services.auth import domain
from services.auth.domain import User
from services.auth.event_outbox import EventOutbox, pending_events
from services.auth.handlers.password_checks import PasswordChecks, WrongCredentials
from services.auth.handlers.session_opener import SessionOpener, Tokens
from services.auth.passwords import CommonPasswords, Passwords
from services.auth.ports import Account, Caller, Metrics, Registrations
from shared.contracts import new_id
from shared.errors import Conflict
from shared.text_rules import username_key


class LoginHandlers:
    """Makes accounts, and opens sessions for their owners."""

    def __init__(
        self,
        registrations: Registrations,
        outbox: EventOutbox,
        sessions: SessionOpener,
        *,
        passwords: Passwords,
        common: CommonPasswords,
        checks: PasswordChecks,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._registrations = registrations
        self._outbox = outbox
        self._sessions = sessions
        self._passwords = passwords
        self._common = common
        self._checks = checks
        self._metrics = metrics
        self._clock = clock

    async def register(
        self, username: str, password: str, email: str, caller: Caller, key: str | None = None
    ) -> tuple[Account, Tokens]:
        """Make an account and log it in. The same ``key`` again returns the same account.

        Raises InvalidInput, UsernameTaken, EmailTaken, and Conflict where the key was used for
        another registration.
        """
        username = domain.valid_username(username)
        email = domain.valid_email(email)
        self._common.check(password, username=username, email=email)
        key_hash = None if key is None else _key_hash(key, username, email)
        if key_hash is not None:
            earlier = await self._registrations.registered_with(key_hash)
            if earlier is not None:
                return await self._register_again(earlier, password, caller)
        account = Account(
            user_id=new_id(),
            username=username,
            email=email,
            password_hash=await self._passwords.hash(password, caller.counted_as),
            created_at=self._clock(),
        )
        events = domain.decide(User(), domain.Register(account.user_id, username))
        pending = pending_events(account.user_id, 0, events)
        await self._registrations.register(account, key_hash, pending)
        await self._outbox.append_pending(account.user_id)
        await self._checks.remember(caller, account.user_id)
        return account, await self._sessions.open(account, caller)

    async def login(self, username: str, password: str, caller: Caller) -> tuple[Account, Tokens]:
        """Open a session. Raises WrongCredentials, TooManyRequests."""
        account = await self._registrations.find_by_username(username)
        user_id = None if account is None else account.user_id
        async with self._checks.attempt(caller, user_id, username_key(username)):
            stored = None if account is None else account.password_hash
            if (
                not await self._passwords.verify(stored, password, caller.counted_as)
                or account is None
            ):
                self._metrics.login("wrong")
                raise WrongCredentials("Wrong username or password.")
        self._metrics.login("ok")
        if self._passwords.outdated(account.password_hash):
            stronger = await self._passwords.hash(password, caller.counted_as)
            await self._registrations.replace_hash(account.user_id, account.password_hash, stronger)
            account = msgspec.structs.replace(account, password_hash=stronger)
        return account, await self._sessions.open(account, caller)

    async def _register_again(
        self, account: Account, password: str, caller: Caller
    ) -> tuple[Account, Tokens]:
        if not await self._passwords.verify(account.password_hash, password, caller.counted_as):
            raise Conflict("This Idempotency-Key was used for another registration.")
        await self._outbox.append_pending(account.user_id)
        return account, await self._sessions.open(account, caller)


def _key_hash(key: str, username: str, email: str) -> bytes:
    """Name and address are part of it, so that a stranger's key leads to no account."""
    return hashlib.sha256("\0".join((key, username, email)).encode()).digest()
