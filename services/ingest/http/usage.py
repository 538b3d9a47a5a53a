"""``GET /api/v1/users/me/usage``: what an account uses and is allowed."""

from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from services.ingest.http.failures import failures
from services.ingest.usage_repository import UsageRepository
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER


class Used(msgspec.Struct, frozen=True):
    """``allowed`` is null where there is no limit."""

    used: int
    allowed: int | None


class AccountUsage(msgspec.Struct, frozen=True, kw_only=True):
    """``bytes``: sources and open uploads. ``videos``: also those that are being uploaded.

    ``open_uploads``: resumable and direct ones. ``encode_minutes``: since midnight, UTC.
    """

    bytes: Used
    videos: Used
    open_uploads: Used
    encode_minutes: Used


@get(
    "/",
    responses=failures({401: "No valid token.", 503: "The database does not answer."}),
    summary="What your account uses and is allowed",
)
async def account_usage(
    principal: NamedDependency[Principal], usage: NamedDependency[UsageRepository]
) -> Response[Success[AccountUsage]]:
    account = await usage.account(principal.user_id)
    pairs: dict[str, Any] = {
        name: Used(getattr(account.usage, name), getattr(account.quota, name))
        for name in AccountUsage.__struct_fields__
    }
    return Response(
        Success(data=AccountUsage(**pairs)), headers={"cache-control": "private, no-store"}
    )


def usage_router() -> Router:
    """The route of usage."""
    return Router(
        "/api/v1/users/me/usage", route_handlers=[account_usage], security=BEARER, tags=["uploads"]
    )
