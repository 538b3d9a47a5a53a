"""Routes of sessions: registration, login, refresh, logout."""

from typing import Any

from litestar import Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from services.auth.devices import Devices
from services.auth.handlers.logins import LoginHandlers
from services.auth.handlers.session_opener import Tokens
from services.auth.handlers.sessions import SessionHandlers
from services.auth.http.bodies import (
    LoggedIn,
    LoginBody,
    NewUser,
    RefreshBody,
    Refreshed,
    RegisterBody,
    Registered,
    SessionItem,
    TokenPlace,
)
from services.auth.http.callers import AnyRequest, CrossSiteRequest, Sites, sent_cookie
from services.auth.ports import Caller, Session
from shared.errors import Detail, InvalidInput
from shared.http.device_cookies import REFRESH_COOKIE
from shared.http.envelope import Message, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER

Logins = NamedDependency[LoginHandlers]
Sessions = NamedDependency[SessionHandlers]
CurrentUser = NamedDependency[Principal]
Client = NamedDependency[Caller]
KnownDevices = NamedDependency[Devices]
KnownSites = NamedDependency[Sites]


@post("/register", summary="Make an account", tags=["auth"])
async def register(
    data: JSONBody[RegisterBody],
    request: AnyRequest,
    *,
    logins: Logins,
    caller: Client,
    devices: KnownDevices,
    sites: KnownSites,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[Registered]]:
    """409 where the username or the address is taken."""
    _refuse_foreign_cookie(request, sites, data.session_in)
    account, tokens = await logins.register(
        data.username, data.password, data.email, caller, idempotency_key
    )
    user = NewUser(id=account.user_id, username=account.username, email=account.email, videos=[])
    registered = Registered(
        access_token=tokens.access_token,
        refresh_token=_in_body(tokens, data.session_in),
        user=user,
    )
    known = devices.cookie_after_login(caller.device, account.user_id, caller.client)
    return Response(
        Success(data=registered),
        status_code=201,
        headers={"location": f"/api/v1/users/id/{account.user_id}", "cache-control": "no-store"},
        cookies=_login_cookies(request, sites, tokens, data.session_in, known),
    )


@post("/login", status_code=200, summary="Log in", tags=["auth"])
async def login(
    data: JSONBody[LoginBody],
    request: AnyRequest,
    *,
    logins: Logins,
    caller: Client,
    devices: KnownDevices,
    sites: KnownSites,
) -> Response[Success[LoggedIn]]:
    """401 with the same answer, after the same time, for an unknown user and a wrong password."""
    _refuse_foreign_cookie(request, sites, data.session_in)
    account, tokens = await logins.login(data.username, data.password, caller)
    known = devices.cookie_after_login(caller.device, account.user_id, caller.client)
    return unstored(
        LoggedIn(
            access_token=tokens.access_token,
            refresh_token=_in_body(tokens, data.session_in),
            user=account.username,
            user_id=account.user_id,
        ),
        _login_cookies(request, sites, tokens, data.session_in, known),
    )


@post("/refresh", status_code=200, summary="Stay logged in", tags=["auth"])
async def refresh(
    data: JSONBody[RefreshBody], request: AnyRequest, sessions: Sessions, sites: KnownSites
) -> Response[Success[Refreshed]]:
    """A refresh token can be used once. Using it again ends the session.

    Without a token in the body, the token in the browser's cookie is used, and its successor is in
    the new cookie only.
    """
    token, place = data.refresh_token, data.session_in
    if not isinstance(token, str):
        sites.refuse_foreign(request)
        token, place = sent_cookie(request, REFRESH_COOKIE), "cookie"
        if not token:
            raise InvalidInput(
                "The request is not valid.", [Detail("refresh_token", "is required")]
            )
    _refuse_foreign_cookie(request, sites, place)
    tokens = await sessions.refresh(token)
    return unstored(
        Refreshed(access_token=tokens.access_token, refresh_token=_in_body(tokens, place)),
        _refresh_cookies(request, sites, tokens, place),
    )


@post("/logout", status_code=200, summary="Log out", tags=["auth"], security=BEARER)
async def logout(
    request: AnyRequest, sessions: Sessions, sites: KnownSites, me: CurrentUser
) -> Response[Success[Message]]:
    """Ends the session of the access token."""
    sites.refuse_foreign(request)
    await sessions.logout(me)
    message = Message(message="You are logged out.")
    return Response(Success(data=message), cookies=[sites.no_refresh_cookie(request)])


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
async def end_sessions(
    request: AnyRequest, sessions: Sessions, sites: KnownSites, me: CurrentUser
) -> Response[Success[Message]]:
    """Ends all sessions, including this one."""
    count = await sessions.revoke_all(me.user_id)
    message = Message(message=f"Sessions that have ended: {count}.")
    return Response(Success(data=message), cookies=[sites.no_refresh_cookie(request)])


def unstored(data: Any, cookies: list[Cookie] | None = None) -> Response[Success[Any]]:
    """An answer that no cache may keep: tokens, personal data (RFC 6749, section 5.1)."""
    headers = {"cache-control": "no-store"}
    return Response(Success(data=data), headers=headers, cookies=cookies)


def _refuse_foreign_cookie(request: AnyRequest, sites: Sites, place: TokenPlace) -> None:
    """A foreign page must not log a browser in to an account of its own choice."""
    if place == "cookie" and sites.sender(request) == "foreign page":
        raise CrossSiteRequest("Another site's page may not do this.")


def _in_body(tokens: Tokens, place: TokenPlace) -> str:
    return tokens.refresh_token if place == "body" else ""


def _refresh_cookies(
    request: AnyRequest, sites: Sites, tokens: Tokens, place: TokenPlace
) -> list[Cookie]:
    """Our pages get the cookie even where they want the token in the body, too."""
    if place == "cookie" or sites.sender(request) == "page":
        return [sites.refresh_cookie(request, tokens.refresh_token)]
    return []


def _login_cookies(
    request: AnyRequest, sites: Sites, tokens: Tokens, place: TokenPlace, device: str
) -> list[Cookie]:
    if sites.sender(request) == "foreign page":
        return []
    known = sites.device_cookie(request, device)
    return [known, *_refresh_cookies(request, sites, tokens, place)]


def _item(session: Session, me: Principal) -> SessionItem:
    return SessionItem(
        id=session.session_id,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        user_agent=session.user_agent,
        current=session.session_id == me.session_id,
    )
