"""What the handlers need of the outside, said by them. ``storage`` and ``throttle`` answer it."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from services.auth.domain import SpentToken
from shared.errors import Conflict
from shared.event_store.store import Metadata, NewEvent


class UsernameTaken(Conflict):
    code = "username_taken"


class EmailTaken(Conflict):
    code = "email_taken"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's own data and the hash of their password. Not for the log, in any sense."""

    user_id: str
    username: str
    email: str
    password_hash: str
    created_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One login that can still be continued."""

    session_id: str
    user_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str


class PendingEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Events that were decided, and committed with what they say, but may not be in the log."""

    user_id: str
    expected_version: int
    events: tuple[NewEvent, ...]
    metadata: Metadata


class LockedAccount(Protocol):
    """One account inside a transaction that nobody else can change it in."""

    account: Account

    async def set_email(self, email: str, now: datetime) -> None:
        """Raises EmailTaken."""
        ...

    async def set_password(self, password_hash: str, now: datetime) -> None: ...

    async def session_ids(self) -> tuple[str, ...]: ...

    async def end_sessions(self, session_ids: Sequence[str], now: datetime) -> None:
        """Their refresh tokens are gone; their access tokens are published as revoked."""
        ...

    async def erase(self, now: datetime) -> None:
        """Delete the person's data and end every session."""
        ...

    async def record(self, pending: PendingEvents, now: datetime) -> None:
        """Keep events until they are in the log."""
        ...

    async def pending(self) -> list[PendingEvents]:
        """What earlier commands on this account may not have seen into the log."""
        ...

    async def settled(self, pending: PendingEvents) -> None:
        """These events are in the log."""
        ...


class Refreshing(Protocol):
    """One presented refresh token inside a transaction that locks its session."""

    token: SpentToken
    session: Session
    username: str

    async def rotate(self, successor: bytes, expires_at: datetime, now: datetime) -> None:
        """Spend the token and store its successor's hash."""
        ...


class Storage(Protocol):
    """Auth's own tables."""

    async def register(
        self, account: Account, key_hash: bytes | None, pending: PendingEvents
    ) -> None:
        """Reserve name and address and keep the event. Raises UsernameTaken or EmailTaken."""
        ...

    async def registered_with(self, key_hash: bytes) -> Account | None:
        """The account that an idempotency key made."""
        ...

    async def find(self, user_id: str) -> Account | None: ...

    async def find_by_username(self, username: str) -> Account | None: ...

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Store a stronger hash of the same password, unless it has changed meanwhile."""
        ...

    async def open_session(
        self, session: Session, password_hash: str, token_hash: bytes, token_expires_at: datetime
    ) -> bool:
        """False where the account is gone or its password is no longer the one verified."""
        ...

    async def sessions_of(self, user_id: str, now: datetime) -> list[Session]: ...

    async def is_alive(self, session_id: str, user_id: str, now: datetime) -> bool: ...

    def locked(self, user_id: str) -> AbstractAsyncContextManager[LockedAccount]:
        """Commits on leaving without an error. Raises UserNotFound."""
        ...

    def refreshing(self, token_hash: bytes) -> AbstractAsyncContextManager[Refreshing | None]:
        """Commits on leaving without an error. None for an unknown token."""
        ...

    async def pending(self, user_id: str | None = None) -> list[PendingEvents]:
        """What may be missing in the log, oldest first; of one user or (some) of all."""
        ...

    async def settled(self, pending: PendingEvents) -> None:
        """These events are in the log."""
        ...


class Throttle(Protocol):
    """Slows down guessing. Never for good, and never for a client that knows the password."""

    async def attempt(self, client: str, account: str) -> None:
        """Count an attempt. Raises TooManyRequests."""
        ...

    async def succeeded(self, client: str, account: str) -> None:
        """That attempt was no guess: take it back and remember the client."""
        ...

    async def undecided(self, client: str, account: str) -> None:
        """That attempt met a fault of ours: take it back."""
        ...


class Figures(Protocol):
    """Counts what the operators watch: who gets in, and who tries to."""

    def login(self, result: Literal["ok", "wrong"]) -> None: ...

    def refresh(self, result: Literal["ok", "refused", "reused"]) -> None:
        """``reused``: a spent token came back, so somebody else has a copy."""
        ...

    def throttled(self) -> None:
        """A password was not even looked at."""
        ...
