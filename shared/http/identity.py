"""The caller, for route handlers: the dependencies ``principal`` and ``optional_principal``."""

from typing import Any

from litestar import Request
from litestar.datastructures import State

from shared.errors import Unauthenticated, Unavailable
from shared.http.access_tokens import InvalidToken, Principal, Verifier, bearer_token
from shared.http.sessions import Sessions

__all__ = ["InvalidToken", "Principal", "Verifier", "optional_user", "require_user"]


async def require_user(request: Request[Any, Any, State]) -> Principal:
    """Litestar dependency ``principal``: the caller. Raises Unauthenticated."""
    token = bearer_token(request.headers.get("authorization"))
    if token is None:
        raise Unauthenticated("Log in first.")
    verifier: Verifier = request.app.state.verifier
    principal = await verifier.verify(token)
    sessions: Sessions | None = request.app.state.sessions
    if sessions is not None:
        await sessions.require_open(principal)
    return principal


async def optional_user(request: Request[Any, Any, State]) -> Principal | None:
    """Litestar dependency ``optional_principal``: None for a caller without a valid token.

    A public route also answers a caller whose token has expired.
    """
    try:
        return await require_user(request)
    except (Unauthenticated, Unavailable):
        return None
