"""What the handlers need of the outside, by capability. Repositories and throttle implement it."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from services.auth.domain import PresentedToken
from shared.contracts import Visibility
from shared.errors import Conflict
from shared.event_store.store import Metadata, NewEvent
from shared.http.device_cookies import Device


class UsernameTaken(Conflict):
    code = "username_taken"


class EmailTaken(Conflict):
    code = "email_taken"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Personal data and the password hash. Never written to the log or to a log line."""

    user_id: str
    username: str
    email: str
    password_hash: str
    created_at: datetime
    default_visibility: Visibility = "public"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login whose refresh token is still valid."""

    session_id: str
    user_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str


class Caller(msgspec.Struct, frozen=True):
    """Where a request comes from: the client's address, the name of its program, its device.

    ``device`` is None where the request brought no device cookie, or none that is valid.
    """

    client: str
    user_agent: str = ""
    device: Device | None = None

    @property
    def counted_as(self) -> str:
        """Whose turn the caller takes where callers take turns."""
        return f"device:{self.device.device_id}" if self.device else self.client


class PendingEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Decided events, committed together with the change that they describe.

    The log may lack them still.
    """

    user_id: str
    expected_version: int
    events: tuple[NewEvent, ...]
    metadata: Metadata


class EventOutboxTable(Protocol):
    """The table of events that are on their way to the log."""

    async def users(self, without: Sequence[str]) -> list[str]:
        """Some users with events that the log may lack, but for those of ``without``."""
        ...

    async def pending(self, user_id: str) -> list[PendingEvents]:
        """A user's events that the log may lack, oldest first."""
        ...

    async def remove_pending(self, pending: PendingEvents) -> None:
        """Forget events that are in the log."""
        ...


class LockedAccount(Protocol):
    """One account, inside a transaction that locks it."""

    account: Account

    async def set_email(self, email: str, now: datetime) -> None:
        """Raises EmailTaken."""
        ...

    async def set_default_visibility(self, visibility: Visibility, now: datetime) -> None: ...

    async def set_password(self, password_hash: str, now: datetime) -> None: ...

    async def session_ids(self) -> tuple[str, ...]: ...

    async def end_sessions(self, session_ids: Sequence[str], now: datetime) -> None:
        """Delete their refresh tokens and publish their access tokens as revoked."""
        ...

    async def erase(self, now: datetime) -> None:
        """Delete the personal data and end every session."""
        ...

    async def add_pending(self, pending: PendingEvents, now: datetime) -> None:
        """Keep events until they are in the log."""
        ...

    async def pending(self) -> list[PendingEvents]:
        """Events of earlier commands on this account that the log may lack."""
        ...

    async def remove_pending(self, pending: PendingEvents) -> None:
        """Forget events that are in the log."""
        ...


class Registrations(Protocol):
    """Where accounts are made."""

    async def register(
        self, account: Account, key_hash: bytes | None, pending: PendingEvents
    ) -> None:
        """Reserve name and address and keep the event. Raises UsernameTaken or EmailTaken."""
        ...

    async def registered_with(self, key_hash: bytes) -> Account | None:
        """The account that an earlier request made with this idempotency key."""
        ...

    async def find_by_username(self, username: str) -> Account | None: ...

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Store a stronger hash of the same password, unless the password has changed."""
        ...


class Accounts(Protocol):
    """Where accounts are read and changed."""

    async def find(self, user_id: str) -> Account | None: ...

    def locked(self, user_id: str) -> AbstractAsyncContextManager[LockedAccount]:
        """Commits on leaving without an error. Raises UserNotFound."""
        ...


class LockedToken(Protocol):
    """One presented refresh token, inside a transaction that locks its session."""

    token: PresentedToken
    session: Session
    username: str

    async def rotate(self, successor: bytes, expires_at: datetime, now: datetime) -> None:
        """Mark the token as used and store the hash of its successor."""
        ...

    async def unused(self, token_hash: bytes) -> bool | None:
        """Whether another token of the session is unused; None where there is no such token."""
        ...


class Refreshed(msgspec.Struct, frozen=True):
    """Whose session a token has kept open."""

    session_id: str
    user_id: str
    username: str


class Sessions(Protocol):
    """Where sessions and refresh tokens are kept."""

    async def open_session(
        self, session: Session, password_hash: str, token_hash: bytes, token_expires_at: datetime
    ) -> bool:
        """False where the account is gone or ``password_hash`` is no longer its hash."""
        ...

    async def sessions_of(self, user_id: str, now: datetime) -> list[Session]: ...

    async def least_used(self, user_id: str, but: int, most: int) -> list[str]:
        """The ids of the ``most`` sessions that a user used longest ago, without the ``but`` that
        were used last."""
        ...

    async def is_alive(self, session_id: str, user_id: str, now: datetime) -> bool: ...

    async def opened_at(self, session_id: str) -> datetime | None:
        """When somebody logged in to this session; None where it has ended."""
        ...

    async def exchange(
        self, token_hash: bytes, successor: bytes, expires_at: datetime, now: datetime
    ) -> Refreshed | None:
        """Use an unused token of an open session, and store its successor, in one round trip.

        None, and nothing has changed, for any other token.
        """
        ...

    def locked_token(self, token_hash: bytes) -> AbstractAsyncContextManager[LockedToken | None]:
        """Commits on leaving without an error. None for an unknown token."""
        ...


class Throttle(Protocol):
    """Slows down guessing: never for good, and never for a device that knows the password.

    ``device`` is the id of a device on which the account has logged in before, "" for any other.
    """

    async def attempt(self, client: str, account: str, device: str = "") -> None:
        """Count an attempt. Raises TooManyRequests."""
        ...

    async def succeeded(self, client: str, account: str, device: str = "") -> None:
        """Take the attempt back, because the password was right, and remember the client."""
        ...

    async def undecided(self, client: str, account: str, device: str = "") -> None:
        """Take the attempt back, because a fault of ours kept the password from being checked."""
        ...

    async def remember(self, client: str, account: str) -> None:
        """The account was made, or logged in to, from this address."""
        ...


class Metrics(Protocol):
    """Counts for operators."""

    def login(self, result: Literal["ok", "wrong"]) -> None: ...

    def refresh(self, result: Literal["ok", "refused", "reused"]) -> None:
        """``reused``: a used token was sent again, so a copy of it is in other hands."""
        ...

    def throttled(self) -> None:
        """A password was not checked, because too many checks had failed."""
        ...
