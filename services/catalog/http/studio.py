"""Routes of a person's own videos, and of the bin."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from services.catalog.api_models import Video
from services.catalog.domain import DeleteBinned, RestoreVideo, VideoNotFound
from services.catalog.http.access import checked_id, run_command
from services.catalog.http.dependencies import Caller, TheCatalog
from services.catalog.http.lists import (
    PAGING,
    Cursor,
    Paging,
    decode_number,
    exactness,
    to_videos,
)
from services.catalog.queries.own_videos import Own, Sort, Wanted
from services.catalog.queries.totals import Total
from services.catalog.read_model.text_analysis import MAX_QUERY, parse_query
from services.catalog.rows import VideoStatus
from shared.contracts import Visibility
from shared.http.envelope import Message, Success
from shared.http.openapi import BEARER
from shared.http.paging import MAX_OFFSET, Page, encode_cursor

_NOTHING: Final = Own((), Total(0, True), None)


@get(
    "/users/me/videos",
    dependencies=PAGING,
    tags=["users"],
    summary="My videos",
    security=BEARER,
)
async def mine(
    *,
    request: Request[object, object, State],
    principal: Caller,
    catalog: TheCatalog,
    paging: Paging,
    sort: Annotated[Sort, QueryParameter(name="sort")] = "newest",
    status: Annotated[VideoStatus | None, QueryParameter(name="status")] = None,
    visibility: Annotated[Visibility | None, QueryParameter(name="visibility")] = None,
    q: Annotated[
        str | None,
        QueryParameter(name="q", description="Words, all of them; the last may be begun."),
    ] = None,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """All of the caller's videos, in any order and state; words are looked for as search does,
    without other spellings."""
    offset = decode_number(cursor, highest=MAX_OFFSET) if cursor else paging.offset
    query = parse_query(q[:MAX_QUERY]) if q and q.strip() else None
    if query is None and q and q.strip():
        found = _NOTHING
    else:
        wanted = Wanted(sort, status, visibility, query.strict if query else None)
        found = await catalog.own.page(principal.user_id, wanted, offset, paging.page_size)
    return Success(
        data=Page(
            data=await to_videos(found.rows, catalog, request, principal),
            page=paging.page,
            page_size=paging.page_size,
            total=found.total.rows,
            total_is_exact=exactness(found.total),
            cursor=None if found.after is None else encode_cursor(found.after),
        )
    )


class Binned(msgspec.Struct, frozen=True, kw_only=True):
    """A video in the bin; ``delete_at``: when it is deleted for good."""

    id: str
    title: str
    duration_ms: int | None
    delete_at: datetime


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """A page of it. ``days``: for how long what is deleted stays; 0: there is no bin."""

    data: list[Binned]
    days: int
    page: int
    page_size: int
    total: int
    total_is_exact: bool | msgspec.UnsetType = msgspec.UNSET
    cursor: str | None


@get("/users/me/bin", dependencies=PAGING, tags=["users"], summary="My bin", security=BEARER)
async def binned(
    principal: Caller, catalog: TheCatalog, paging: Paging, cursor: Cursor = None
) -> Success[Bin]:
    """What the caller has deleted and may take back, the latest first."""
    offset = decode_number(cursor, highest=MAX_OFFSET) if cursor else paging.offset
    found = await catalog.own.bin(principal.user_id, offset, paging.page_size)
    return Success(
        data=Bin(
            days=catalog.bin_days,
            data=[
                Binned(
                    id=row["id"],
                    title=row["title"],
                    duration_ms=row["duration_ms"],
                    delete_at=row["delete_at"],
                )
                for row in found.rows
            ],
            page=paging.page,
            page_size=paging.page_size,
            total=found.total.rows,
            total_is_exact=exactness(found.total),
            cursor=None if found.after is None else encode_cursor(found.after),
        )
    )


@post(
    "/users/me/bin/{video_id:str}/restore",
    status_code=200,
    tags=["users"],
    summary="Take a video out of the bin",
    security=BEARER,
)
async def restore(
    principal: Caller, video_id: FromPath[str], catalog: TheCatalog
) -> Success[Message]:
    """The video is as it was, with its views, tags, captions and visibility."""
    id_ = checked_id(video_id, VideoNotFound)
    await run_command(catalog, principal, id_, RestoreVideo(principal.user_id))
    return Success(data=Message(message="The video was restored."))


@delete(
    "/users/me/bin/{video_id:str}",
    status_code=200,
    tags=["users"],
    summary="Delete for good",
    security=BEARER,
)
async def delete_now(
    principal: Caller, video_id: FromPath[str], catalog: TheCatalog
) -> Success[Message]:
    """Only what is in the bin."""
    id_ = checked_id(video_id, VideoNotFound)
    await run_command(catalog, principal, id_, DeleteBinned(principal.user_id))
    return Success(data=Message(message="The video was deleted for good."))


HANDLERS: Final[list[HTTPRouteHandler]] = [mine, binned, restore, delete_now]
