"""A user folded from its events, and the rules of names, addresses and refreshes. Pure."""

import re
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from services.auth.names import new_username
from shared.contracts import (
    DefaultVisibilityChanged,
    EmailChanged,
    Event,
    PasswordChanged,
    SessionRevoked,
    UserDeleted,
    UserRegistered,
    Visibility,
)
from shared.errors import Conflict, Detail, InvalidInput, NotFound
from shared.text_rules import RefusedText

MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 256
MAX_EMAIL: Final = 254

RevocationReason = Literal[
    "logout",
    "revoked",
    "password_changed",
    "refresh_token_reused",
    "account_deleted",
    "too_many",
]


class UserNotFound(NotFound):
    code = "user_not_found"


class AlreadyRegistered(Conflict):
    code = "already_registered"


class InvalidUsername(InvalidInput):
    code = "invalid_username"


class InvalidEmail(InvalidInput):
    code = "invalid_email"


class WeakPassword(InvalidInput):
    code = "weak_password"


# State and commands.


class User(msgspec.Struct, frozen=True):
    """``username`` is None before the registration.

    Which sessions are open is not folded: auth's tables know it, and change under the account's
    lock. Ids of all sessions that ever ended would make each command cost more than the last.
    """

    user_id: str | None = None
    username: str | None = None
    deleted: bool = False
    default_visibility: Visibility = "public"


class Register(msgspec.Struct, frozen=True):
    user_id: str
    username: str


class ChangeEmail(msgspec.Struct, frozen=True):
    """The new address itself is not in the event: it is personal data."""


class ChangeDefaultVisibility(msgspec.Struct, frozen=True):
    visibility: Visibility


class ChangePassword(msgspec.Struct, frozen=True):
    """The listed open ``sessions`` end together with the old password."""

    sessions: tuple[str, ...] = ()


class RevokeSessions(msgspec.Struct, frozen=True):
    sessions: tuple[str, ...]
    reason: RevocationReason


class Delete(msgspec.Struct, frozen=True):
    """Deletes the account for good."""


Command = (
    Register | ChangeEmail | ChangeDefaultVisibility | ChangePassword | RevokeSessions | Delete
)


def decide(user: User, command: Command) -> list[Event]:
    """The events that a command leads to. Raises AlreadyRegistered or UserNotFound."""
    if isinstance(command, Register):
        if user.user_id is not None:
            raise AlreadyRegistered("This account exists already.")
        return [UserRegistered(user_id=command.user_id, username=command.username)]
    if user.user_id is None or user.deleted:
        raise UserNotFound("There is no such user.")
    match command:
        case ChangeEmail():
            return [EmailChanged(user_id=user.user_id)]
        case ChangeDefaultVisibility(visibility=visibility):
            return _default_visibility(user, user.user_id, visibility)
        case ChangePassword(sessions=sessions):
            ended = _revocations(user.user_id, sessions, "password_changed")
            return [PasswordChanged(user_id=user.user_id), *ended]
        case RevokeSessions(sessions=sessions, reason=reason):
            return _revocations(user.user_id, sessions, reason)
        case Delete():
            return [UserDeleted(user_id=user.user_id)]


def evolve(user: User, event: Event) -> User:
    """The user after an event."""
    match event:
        case UserRegistered():
            return User(event.user_id, event.username)
        case DefaultVisibilityChanged():
            return msgspec.structs.replace(user, default_visibility=event.visibility)
        case UserDeleted():
            return msgspec.structs.replace(user, deleted=True)
        case _:
            return user


def _default_visibility(user: User, user_id: str, visibility: Visibility) -> list[Event]:
    if visibility == user.default_visibility:
        return []
    return [DefaultVisibilityChanged(user_id=user_id, visibility=visibility)]


def _revocations(user_id: str, sessions: tuple[str, ...], reason: RevocationReason) -> list[Event]:
    return [
        SessionRevoked(user_id=user_id, session_id=session, reason=reason)
        for session in dict.fromkeys(sessions)
    ]


# Names and addresses.


def valid_username(text: str) -> str:
    """The name of a new account as it is kept. Raises InvalidUsername."""
    try:
        return new_username(text)
    except RefusedText as refused:
        details = [Detail("username", refused.problem)]
        raise InvalidUsername("This username cannot be used.", details) from None


_EMAIL: Final = re.compile(
    r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_]{2,63}",
    re.ASCII | re.IGNORECASE,
)


def valid_email(text: str) -> str:
    """The address without surrounding space. Raises InvalidEmail.

    A plausibility check (lengths of RFC 5321, a dot in the domain): only a sent mail proves more.
    """
    email = text.strip()
    local, _, _ = email.partition("@")
    if (
        len(email) > MAX_EMAIL
        or not _EMAIL.fullmatch(email)
        or local.startswith(".")
        or local.endswith(".")
        or ".." in local
    ):
        raise InvalidEmail(
            "This e-mail address cannot be used.", [Detail("email", "is not an e-mail address")]
        )
    return email


def email_key(email: str) -> str:
    """Two addresses with one key are the same account: case does not tell them apart."""
    return email.casefold()


# Refresh tokens.


class PresentedToken(msgspec.Struct, frozen=True):
    """A refresh token that a client has sent. ``used_at`` is None while it is unused."""

    expires_at: datetime
    used_at: datetime | None = None


RefreshVerdict = Literal["rotate", "repeat", "refuse", "revoke"]

GRACE: Final = timedelta(seconds=10)
"""How long after its first use a token may be used again: by another tab of the same browser."""


def judge_refresh(token: PresentedToken, now: datetime) -> RefreshVerdict:
    """What a presented token leads to.

    Rotate an unused token; repeat the successor of a token that was used within the grace, so that
    callers who race share one; refuse an expired token; revoke the session of a token that was
    used longer ago (rotation with reuse detection, RFC 9700, section 4.14.2).
    """
    if token.expires_at <= now:
        return "refuse"
    if token.used_at is None:
        return "rotate"
    return "repeat" if now - token.used_at <= GRACE else "revoke"
