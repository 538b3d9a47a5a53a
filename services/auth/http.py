"""Auth's routes."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Request, Response, Router, delete, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from services.auth.domain import MAX_EMAIL, MAX_PASSWORD, MIN_PASSWORD
from services.auth.handlers.accounts import AccountHandlers
from services.auth.handlers.logins import LoginHandlers
from services.auth.handlers.session_opener import Caller
from services.auth.handlers.sessions import SessionHandlers
from services.auth.jwks import JwksPublisher
from services.auth.ports import Account, Session
from services.auth.tokens import MAX_REFRESH_LENGTH
from shared.http.envelope import Message, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.text_rules import MAX_USERNAME, MIN_USERNAME

_TEXT: Final = 1024
_CLIENT_HEADER: Final = "x-cinelog-client"

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
Logins = NamedDependency[LoginHandlers]
Sessions = NamedDependency[SessionHandlers]
Accounts = NamedDependency[AccountHandlers]
CurrentUser = NamedDependency[Principal]
Client = NamedDependency[Caller]


class RegisterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Username
    password: NewPassword
    email: Email


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Text
    password: Text


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REFRESH_LENGTH)]


class EmailBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


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
    access_token: str
    refresh_token: str
    user: NewUser


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """``user`` is the username."""

    access_token: str
    refresh_token: str
    user: str
    user_id: str


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    access_token: str
    refresh_token: str


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's own account."""

    id: str
    username: str
    email: str
    created_at: datetime


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """``current``: this request belongs to it."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    current: bool


async def alive(sessions: Sessions, principal: CurrentUser) -> Principal:
    """Dependency ``me``: a caller whose session is open according to the database."""
    await sessions.require_alive(principal)
    return principal


def caller(request: Request[Any, Any, State]) -> Caller:
    """Dependency ``caller``: the client, as the gateway identifies it."""
    peer = request.client.host if request.client else "unknown"
    return Caller(
        client=request.headers.get(_CLIENT_HEADER) or peer,
        user_agent=request.headers.get("user-agent", ""),
    )


@post("/register", summary="Make an account", tags=["auth"])
async def register(
    data: JSONBody[RegisterBody],
    logins: Logins,
    caller: Client,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[Registered]]:
    """409 where the username or the address is taken."""
    account, tokens = await logins.register(
        data.username, data.password, data.email, caller, idempotency_key
    )
    user = NewUser(id=account.user_id, username=account.username, email=account.email, videos=[])
    registered = Registered(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, user=user
    )
    return Response(
        Success(data=registered),
        status_code=201,
        headers={"location": f"/api/v1/users/id/{account.user_id}", "cache-control": "no-store"},
    )


@post("/login", status_code=200, summary="Log in", tags=["auth"])
async def login(
    data: JSONBody[LoginBody], logins: Logins, caller: Client
) -> Response[Success[LoggedIn]]:
    """401 with the same answer, after the same time, for an unknown user and a wrong password."""
    account, tokens = await logins.login(data.username, data.password, caller)
    return _unstored(
        LoggedIn(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            user=account.username,
            user_id=account.user_id,
        )
    )


@post("/refresh", status_code=200, summary="Stay logged in", tags=["auth"])
async def refresh(data: JSONBody[RefreshBody], sessions: Sessions) -> Response[Success[Refreshed]]:
    """A refresh token can be used once. Using it again ends the session."""
    tokens = await sessions.refresh(data.refresh_token)
    return _unstored(
        Refreshed(access_token=tokens.access_token, refresh_token=tokens.refresh_token)
    )


@post("/logout", status_code=200, summary="Log out", tags=["auth"], security=BEARER)
async def logout(sessions: Sessions, me: CurrentUser) -> Success[Message]:
    """Ends the session of the access token."""
    await sessions.logout(me)
    return Success(data=Message(message="You are logged out."))


@get("/me", summary="My account", tags=["users"], security=BEARER)
async def my_account(accounts: Accounts, me: CurrentUser) -> Response[Success[Me]]:
    return _unstored(_me(await accounts.account(me.user_id)))


@get("/me/sessions", summary="Where I am logged in", tags=["users"], security=BEARER)
async def my_sessions(sessions: Sessions, me: CurrentUser) -> Success[list[SessionItem]]:
    return Success(data=[_item(session, me) for session in await sessions.sessions(me.user_id)])


@delete(
    "/me/sessions/{session_id:str}",
    status_code=200,
    summary="End one of my sessions",
    tags=["users"],
    security=BEARER,
)
async def end_session(
    sessions: Sessions, me: CurrentUser, session_id: FromPath[str]
) -> Success[Message]:
    await sessions.revoke(me.user_id, session_id)
    return Success(data=Message(message="That session has ended."))


@delete(
    "/me/sessions", status_code=200, summary="Log out everywhere", tags=["users"], security=BEARER
)
async def end_sessions(sessions: Sessions, me: CurrentUser) -> Success[Message]:
    """Ends all sessions, including this one."""
    count = await sessions.revoke_all(me.user_id)
    return Success(data=Message(message=f"Sessions that have ended: {count}."))


@patch("/email", summary="Change my e-mail address", tags=["users"], security=BEARER)
async def change_email(
    data: JSONBody[EmailBody], accounts: Accounts, me: CurrentUser
) -> Success[Me]:
    """409 where the address belongs to another account."""
    return Success(data=_me(await accounts.change_email(me.user_id, data.email)))


@patch("/password", summary="Change my password", tags=["users"], security=BEARER)
async def change_password(
    data: JSONBody[PasswordBody], accounts: Accounts, me: CurrentUser, caller: Client
) -> Success[Message]:
    """Ends all other sessions. 400 also for a wrong current password."""
    await accounts.change_password(me, data.current_password, data.new_password, caller)
    return Success(data=Message(message="Your password is changed."))


@delete(
    "/{user_id:str}", status_code=200, summary="Delete my account", tags=["users"], security=BEARER
)
async def delete_account(
    accounts: Accounts, me: CurrentUser, user_id: FromPath[str]
) -> Success[Message]:
    """Erases the account, ends its sessions and removes its videos. 403 for another's account."""
    await accounts.delete(me, user_id)
    return Success(data=Message(message="Your account is deleted."))


@get("/.well-known/jwks.json", include_in_schema=False)
async def key_document(
    jwks: NamedDependency[JwksPublisher], request: Request[Any, Any, State]
) -> Response[bytes]:
    """The public keys (RFC 7517) and the sessions that ended early; for services only."""
    headers = {"etag": jwks.etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == jwks.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(jwks.body, headers=headers, media_type=MediaType.JSON)


def routes() -> list[Any]:
    """All of auth's routes, under their public paths."""
    return [
        Router("/api/v1/auth", route_handlers=[register, login, refresh, logout]),
        Router(
            "/api/v1/users",
            route_handlers=[
                my_account,
                my_sessions,
                end_session,
                end_sessions,
                change_email,
                change_password,
                delete_account,
            ],
        ),
        key_document,
    ]


def _unstored(data: Any) -> Response[Success[Any]]:
    """An answer that no cache may keep: tokens, personal data (RFC 6749, section 5.1)."""
    return Response(Success(data=data), headers={"cache-control": "no-store"})


def _me(account: Account) -> Me:
    return Me(
        id=account.user_id,
        username=account.username,
        email=account.email,
        created_at=account.created_at,
    )


def _item(session: Session, me: Principal) -> SessionItem:
    return SessionItem(
        id=session.session_id,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        user_agent=session.user_agent,
        current=session.session_id == me.session_id,
    )
