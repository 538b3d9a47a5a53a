"""All of auth's routes, under their public paths."""

from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from services.auth.http import accounts, sessions
from services.auth.jwks import JwksPublisher


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
    """The routers for ``create_app``."""
    return [
        Router(
            "/api/v1/auth",
            route_handlers=[
                sessions.register,
                sessions.login,
                sessions.refresh,
                sessions.logout,
            ],
        ),
        Router(
            "/api/v1/users",
            route_handlers=[
                accounts.my_account,
                accounts.change_account,
                sessions.my_sessions,
                sessions.end_session,
                sessions.end_sessions,
                accounts.change_email,
                accounts.change_password,
                accounts.delete_account,
            ],
        ),
        key_document,
    ]
