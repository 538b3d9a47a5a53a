"""Who sends a request, from which page, and which cookies the answer gives it.

Browsers send cookies along with requests that other sites' pages make. Ours have SameSite=Strict;
besides, a page that is neither ours nor listed neither uses a cookie nor is given one.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, Literal

from litestar import Request
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency

from services.auth.devices import Devices
from services.auth.handlers.sessions import SessionHandlers
from services.auth.ports import Caller
from shared.errors import Forbidden
from shared.http.client import client_address
from shared.http.device_cookies import DEVICE_COOKIE, DEVICE_LIFETIME, REFRESH_COOKIE, cookie_value
from shared.http.identity import Principal

_ORIGIN_HEADER: Final = "x-cinelog-origin"
_REFRESH_PATH: Final = "/api/v1/auth/refresh"
_API_PATH: Final = "/api/v1"

AnyRequest = Request[Any, Any, State]
Sender = Literal["program", "page", "foreign page"]


class CrossSiteRequest(Forbidden):
    code = "cross_site_request"


class Sites:
    """Tells our pages and those of ``origins`` from foreign ones, and makes cookies for them.

    ``*`` among the origins lists none: cookies are for named origins only.
    """

    def __init__(self, origins: Iterable[str], lifetime: timedelta) -> None:
        self._origins = frozenset(origins)
        self._lifetime = int(lifetime.total_seconds())

    def sender(self, request: AnyRequest) -> Sender:
        """A program sends neither Sec-Fetch-Site nor Origin; pages can forge neither."""
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is None and origin is None:
            return "program"
        if site in {"same-origin", "none"} or origin in self._origins:
            return "page"
        return "page" if site is None and origin == _own_origin(request) else "foreign page"

    def refuse_foreign(self, request: AnyRequest) -> None:
        """Raises CrossSiteRequest where another site's page sends a cookie of ours."""
        if "cookie" in request.headers and self.sender(request) == "foreign page":
            raise CrossSiteRequest("Another site's page may not do this.")

    def refresh_cookie(self, request: AnyRequest, token: str) -> Cookie:
        """Keeps a browser's refresh token where no script can read it."""
        return _cookie(request, REFRESH_COOKIE, token, _REFRESH_PATH, self._lifetime)

    def no_refresh_cookie(self, request: AnyRequest) -> Cookie:
        """Deletes the refresh token from the browser."""
        return _cookie(request, REFRESH_COOKIE, "", _REFRESH_PATH, 0)

    def device_cookie(self, request: AnyRequest, value: str) -> Cookie:
        """Makes the device known."""
        lifetime = int(DEVICE_LIFETIME.total_seconds())
        return _cookie(request, DEVICE_COOKIE, value, _API_PATH, lifetime)


async def alive(
    sessions: NamedDependency[SessionHandlers], principal: NamedDependency[Principal]
) -> Principal:
    """Dependency ``me``: a caller whose session is open according to the database."""
    await sessions.require_alive(principal)
    return principal


def caller(request: AnyRequest, devices: NamedDependency[Devices]) -> Caller:
    """Dependency ``caller``: the client, as the gateway identifies it, and its device."""
    return Caller(
        client=client_address(request),
        user_agent=request.headers.get("user-agent", ""),
        device=devices.read(sent_cookie(request, DEVICE_COOKIE)),
    )


def sent_cookie(request: AnyRequest, name: str) -> str:
    """The value of a cookie that the request carries, "" where it is missing."""
    return cookie_value(request.headers.get("cookie", ""), name)


def _cookie(request: AnyRequest, name: str, value: str, path: str, max_age: int) -> Cookie:
    return Cookie(
        name,
        path=path,
        value=value,
        max_age=max_age,
        httponly=True,
        samesite="strict",
        secure=_own_origin(request).startswith("https:"),
    )


def _own_origin(request: AnyRequest) -> str:
    """The address that people use, which the gateway knows."""
    own = request.headers.get(_ORIGIN_HEADER)
    return own or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
