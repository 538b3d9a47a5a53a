"""The bodies of auth's requests and answers."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from services.auth.domain import MAX_EMAIL, MAX_PASSWORD, MIN_PASSWORD
from services.auth.tokens import MAX_REFRESH_LENGTH
from shared.contracts import Visibility
from shared.text_rules import MAX_USERNAME, MIN_USERNAME

_TEXT: Final = 1024

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=_TEXT)]
# The rule counts characters of the normal form, in which a name may be shorter than as it was sent.
Username = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=_TEXT,
        description=f"{MIN_USERNAME} to {MAX_USERNAME} characters in Normalization Form C.",
    ),
]
NewPassword = Annotated[str, msgspec.Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]
Email = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_EMAIL)]
RefreshToken = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REFRESH_LENGTH)]
TokenPlace = Annotated[
    Literal["body", "cookie"],
    msgspec.Meta(
        description="With `cookie`, the refresh token is in an HttpOnly cookie and empty in the"
        " answer; refreshing then needs no token in the body. For browsers."
    ),
]


class RegisterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Username
    password: NewPassword
    email: Email
    session_in: TokenPlace = "body"


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Text
    password: Text
    session_in: TokenPlace = "body"


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without ``refresh_token``, the one in the cookie is meant."""

    refresh_token: RefreshToken | msgspec.UnsetType = msgspec.UNSET
    session_in: TokenPlace = "body"


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's password, under either name. A login of the last 5 minutes needs none."""

    password: Text | msgspec.UnsetType = msgspec.UNSET
    current_password: Text | msgspec.UnsetType = msgspec.UNSET


class EmailBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``password``, under either name, is needed unless the login is at most 5 minutes old."""

    email: Email
    password: Text | msgspec.UnsetType = msgspec.UNSET
    current_password: Text | msgspec.UnsetType = msgspec.UNSET


class MeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``default_visibility``: of uploads that say none."""

    default_visibility: Visibility


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Text
    new_password: NewPassword


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user right after registration: without videos."""

    id: str
    username: str
    email: str
    videos: list[str]


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """``refresh_token`` is empty where the request asked for a cookie."""

    access_token: str
    refresh_token: str
    user: NewUser


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """``user`` is the username. ``refresh_token`` is empty where a cookie was asked for."""

    access_token: str
    refresh_token: str
    user: str
    user_id: str


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """``refresh_token`` is empty where it is in the cookie."""

    access_token: str
    refresh_token: str


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's own account."""

    id: str
    username: str
    email: str
    created_at: datetime
    default_visibility: Visibility


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """``current``: this request belongs to it."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    current: bool


def password_of(body: Confirmation | EmailBody | None) -> str | None:
    """The password that confirms a change, None where the body has none."""
    if body is None:
        return None
    if isinstance(body.password, str):
        return body.password
    return body.current_password if isinstance(body.current_password, str) else None
