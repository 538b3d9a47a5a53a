"""``GET /api/v1/users/me/usage``: what an account uses and is allowed.

``GET /internal/usage/{user}/live`` answers the service of live streams; gateways never forward it.
"""

from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from services.ingest.http.failures import failures
from services.ingest.quotas import live_refusal
from services.ingest.usage_repository import UsageRepository
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER


class Used(msgspec.Struct, frozen=True):
    """``allowed`` is null where there is no limit."""

    used: int
    allowed: int | None


class AccountUsage(msgspec.Struct, frozen=True, kw_only=True):
    """``bytes``: sources, open uploads and lives. ``videos``: also those that are being uploaded.

    ``open_uploads``: resumable and direct ones. ``encode_minutes``: since midnight, UTC.
    ``lives`` and ``live_bytes``: how many of the videos, and of the bytes, are of live streams.
    ``deleted_bytes``: of deleted videos, for a day or as long as the server keeps them.
    """

    bytes: Used
    videos: Used
    open_uploads: Used
    encode_minutes: Used
    lives: Used
    live_bytes: Used
    deleted_bytes: Used


class LiveRoom(msgspec.Struct, frozen=True):
    """``refusal``: why the account may not be live, in a sentence; null if it may."""

    refusal: str | None


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
        name: Used(getattr(account.usage, name), getattr(account.quota, name, None))
        for name in AccountUsage.__struct_fields__
    }
    return Response(
        Success(data=AccountUsage(**pairs)), headers={"cache-control": "private, no-store"}
    )


@get("/{user_id:str}/live", include_in_schema=False)
async def live_room(
    user_id: FromPath[str], usage: NamedDependency[UsageRepository], begins: FromQuery[bool] = False
) -> Success[LiveRoom]:
    """``begins``: the live has not begun yet."""
    account = await usage.account(user_id)
    return Success(data=LiveRoom(live_refusal(account.quota, account.usage, begins=begins)))


def live_room_router() -> Router:
    """The route for the service of live streams."""
    return Router("/internal/usage", route_handlers=[live_room])


def usage_router() -> Router:
    """The route of usage."""
    return Router(
        "/api/v1/users/me/usage", route_handlers=[account_usage], security=BEARER, tags=["uploads"]
    )
